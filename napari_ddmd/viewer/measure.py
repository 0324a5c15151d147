"""What a mask measures: total volume and each lesion, largest first."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.editing import Numbering
    from napari_ddmd.lesions import Lesion
    from napari_ddmd.model.discrepancy import DiscrepancyScores

MOST_LESIONS = 50


@dataclass(frozen=True)
class Measurement:
    """Measures of one mask.

    Attributes
    ----------
    total_ml : float
        Volume of the whole mask in millilitres.
    count : int
        Number of its connected parts.
    lesions : list of Lesion
        The largest of them, at most `MOST_LESIONS`, largest first.
    labels : (s, h, w) ndarray of int32 or None
        Numbers of the lesions in the list, 0 elsewhere; only the part of the volume that holds the mask.
    corner : tuple of int
        Voxel of the volume at which that part starts.
    numbering : Numbering or None
        What gave the lesions their numbers; None where they are numbered by size.
    """

    total_ml: float
    count: int
    lesions: list[Lesion]
    labels: NDArray[np.int32] | None = field(default=None, compare=False, repr=False)
    corner: tuple[int, int, int] = field(default=(0, 0, 0), compare=False)
    numbering: Numbering | None = field(default=None, compare=False, repr=False)

    @property
    def summary(self) -> str:
        """Number of lesions and total volume in words."""
        if self.count == 0:
            return "No lesion"
        lesions = "lesion" if self.count == 1 else "lesions"
        return f"{self.count} {lesions}, {millilitres(self.total_ml)} mL"

    def lesion_at(self, voxel: tuple[int, int, int]) -> int:
        """Return the number of the lesion that a voxel ``(s, h, w)`` belongs to, 0 for none in the list."""
        if self.labels is None:
            return 0
        place = tuple(index - first for index, first in zip(voxel, self.corner, strict=True))
        is_inside = all(0 <= index < size for index, size in zip(place, self.labels.shape, strict=True))
        return int(self.labels[place]) if is_inside else 0

    def voxels_of(self, label: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Find all voxels of one lesion, as an index into the whole volume: ``mask[measured.voxels_of(2)] = 0``.

        Parameters
        ----------
        label : int
            The lesion's number; another one gives an empty index.
        """
        if self.labels is None or label < 1:
            nothing = np.zeros(0, np.intp)
            return nothing, nothing, nothing
        s, h, w = np.nonzero(self.labels == label)
        return s + self.corner[0], h + self.corner[1], w + self.corner[2]

    def number_of(self, number: int, before: Measurement) -> int:
        """Return the number of what a lesion has become since another measurement, 0 where it is no more.

        Numbers tell where they were given in the same way, else voxels do: most that either lesion has in common with
        any of the other measurement must be the other one's.

        Parameters
        ----------
        number : int
            The lesion's number then.
        before : Measurement
            Of the same mask, or of the mask that another run had written there.
        """
        if self.numbering is not None and self.numbering is before.numbering:
            return number if any(lesion.label == number for lesion in self.lesions) else 0
        now = self._most_within(number, before)
        return now if now and before._most_within(now, self) == number else 0

    def _most_within(self, number: int, other: Measurement) -> int:
        """Return the number that most voxels of another measurement's lesion have here, 0 where none is of a lesion."""
        if self.labels is None or other.labels is None:
            return 0
        first = np.maximum(self.corner, other.corner)
        last = np.minimum(np.add(self.corner, self.labels.shape), np.add(other.corner, other.labels.shape))
        if (last <= first).any():
            return 0
        ours, theirs = (
            each.labels[tuple(map(slice, first - each.corner, last - each.corner))]  # type: ignore[index]
            for each in (self, other)
        )
        numbers = ours[theirs == number]
        return int(np.bincount(numbers[numbers > 0], minlength=1).argmax())


def measure(
    mask: NDArray[Any],
    case: Case,
    probability: NDArray[np.float32] | None,
    *,
    uncertainty: NDArray[np.float32] | None = None,
    scores: Mapping[int, DiscrepancyScores] | None = None,
) -> Measurement:
    """Measure a mask.

    Only the part of the volume that holds the mask is looked at, and of a mask in thousands of pieces only
    the largest are described: the window waits for it, or shares the interpreter with it.

    Parameters
    ----------
    mask : (S, H, W) ndarray of integers
        Everything above 0 counts.
    case : Case
        Gives the spacing.
    probability : (S, H, W) ndarray or None
        Averaged over each lesion.
    uncertainty : (S, H, W) ndarray or None
        Averaged over each lesion.
    scores : mapping of int to DiscrepancyScores, or None
        By axial slice, averaged over each lesion's slices.
    """
    from napari_ddmd.lesions import Parts, describe, lesion_volume_ml

    is_lesion = mask > 0
    parts = Parts.of(is_lesion)
    if parts is None:
        return Measurement(0.0, 0, [])
    labels, lesions = describe(
        parts,
        parts.largest_first()[:MOST_LESIONS],
        case.spacing,
        probability=probability,
        uncertainty=uncertainty,
        scores=None if scores is None else dict(scores),  # a copy: a run may go on adding slices meanwhile
    )
    return Measurement(
        total_ml=lesion_volume_ml(is_lesion, case.spacing),
        count=parts.count,
        lesions=lesions,
        labels=labels,
        corner=(parts.box[0].start, parts.box[1].start, parts.box[2].start),
    )


def fingerprint(mask: NDArray[Any]) -> int:
    """Return a number that changes with the mask, to tell an edit from a mere redraw."""
    return zlib.crc32(np.ascontiguousarray(mask).data)
