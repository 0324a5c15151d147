"""Slice results as they come in, gathered into volumes on the case's axial grid."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.cut import Cut

if TYPE_CHECKING:
    from napari_ddmd.model.discrepancy import DiscrepancyScores
    from napari_ddmd.segment import SliceResult

_SAMPLE_THRESHOLD = 0.5


class Volumes:
    """All that a run has said of a case so far; zero where it has said nothing yet.

    Parameters
    ----------
    case
        The case; gives the shape ``(S, H, W)``.
    samples
        K, the masks a slice.
    intra, inter
        Whether the results have these maps.
    cut
        How the mask is cut out of the probability; by default at 0.5, with all parts.

    Attributes
    ----------
    probability, uncertainty
        ``(S, H, W)`` float32.
    inter, intra
        ``(S, H, W)`` float32, or None where the results have none.
    samples
        ``(K, S, H, W)`` uint8, each sampled mask cut at 0.5.
    agreement
        ``(S, H, W)`` uint8, in how many of the samples a voxel is lesion.
    scores
        Discrepancy scores, by axial slice.
    done
        The axial slices that have come in.
    devices
        What has computed them, as far as it was noted, in the order in which it began.
    evened
        Modalities that the networks have seen without their bias field; None where nobody knows.
    """

    def __init__(self, case: Case, samples: int, *, intra: bool, inter: bool, cut: Cut | None = None) -> None:
        shape = case.grid.shape
        self.probability: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.uncertainty: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.inter: NDArray[np.float32] | None = np.zeros(shape, np.float32) if inter else None
        self.intra: NDArray[np.float32] | None = np.zeros(shape, np.float32) if intra else None
        self.samples: NDArray[np.uint8] = np.zeros((samples, *shape), np.uint8)
        self.agreement: NDArray[np.unsignedinteger[Any]] = np.zeros(shape, np.min_scalar_type(samples))
        self.scores: dict[int, DiscrepancyScores] = {}
        self.done: set[int] = set()
        self.devices: tuple[str, ...] = ()
        self.evened: tuple[str, ...] | None = ()
        self.cut = Cut() if cut is None else cut
        self._brain = frozenset(case.brain_slices)

    @classmethod
    def for_results_like(cls, result: SliceResult, case: Case, *, cut: Cut) -> Volumes:
        """Empty volumes for a run of which one slice is known."""
        maps = {"inter": result.inter is not None, "intra": result.intra is not None}
        return cls(case, len(result.samples), cut=cut, **maps)

    def add(self, result: SliceResult) -> None:
        """Put a slice in its place; a slice that was there already is replaced."""
        index = result.index
        self.probability[index] = result.probability
        self.uncertainty[index] = result.uncertainty
        for volume, layer in ((self.inter, result.inter), (self.intra, result.intra)):
            if volume is not None and layer is not None:
                volume[index] = layer
        self.samples[:, index] = result.samples > _SAMPLE_THRESHOLD
        self.agreement[index] = self.samples[:, index].sum(axis=0)
        if result.scores is not None:
            self.scores[index] = result.scores
        if self.evened is not None:
            evened = {*self.evened, *result.evened}  # the latest run may have found another field
            self.evened = tuple(name for name in MODALITIES if name in evened)
        self.done.add(index)

    def only(self, slices: Collection[int]) -> Volumes:
        """Return a copy in which nothing was said of any but these slices."""
        part, done = copy.copy(self), sorted(self.done.intersection(slices))
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                own = np.zeros_like(array)
                own[..., done, :, :] = array[..., done, :, :]
                setattr(part, name, own)
        part.done = set(done)
        part.scores = {index: scores for index, scores in self.scores.items() if index in part.done}
        return part

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))

    def note_device(self, device: str) -> None:
        """Remember what computes: a run that falls short of memory may leave the device that it began on."""
        if device and device not in self.devices:
            self.devices += (device,)

    def mask(self, threshold: float | None = None) -> NDArray[np.uint8]:
        """``(S, H, W)``, 1 where the probability exceeds the threshold, without parts too small or too doubtful.

        By default the threshold is the model's own. What goes on into slices that have not come in is not called
        doubtful (`Cut.mask`).
        """
        return self.cut_out(self.probability, threshold).view(np.uint8)

    def cut_out(self, probability: NDArray[np.float32], threshold: float | None = None) -> NDArray[np.bool_]:
        """Cut another probability ``(S, H, W)`` of the same slices as the mask is."""
        mask = np.zeros(probability.shape, np.bool_)
        if self.done:
            first, last = min(self.done), max(self.done)
            to_come = self._brain - self.done
            ends = [index - first for index in self.done if to_come.intersection((index - 1, index + 1))]
            mask[first : last + 1] = self.cut.mask(probability[first : last + 1], threshold, open_slices=ends)
        return mask
