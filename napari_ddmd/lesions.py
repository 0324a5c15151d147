"""Connected lesions of a mask: how many, how large, where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import find_objects
from skimage.measure import label

from napari_ddmd.diameter import longest_axial_diameter

if TYPE_CHECKING:
    from napari_ddmd.model.discrepancy import DiscrepancyScores

_MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class Lesion:
    """One connected lesion.

    Attributes
    ----------
    label
        Its number in the label volume; 1 is the largest lesion.
    volume_ml
        Volume in millilitres.
    slices
        First and last axial slice that it touches, both inclusive.
    centroid
        Mean position of its voxels, in voxels along ``(S, H, W)``.
    mean_probability
        Mean lesion probability over its voxels; None where no probability was given.
    longest_diameter_mm, diameter_slice
        Longest diameter in an axial slice, measured on the outline (`longest_axial_diameter`), and the slice of it.
    mean_uncertainty
        Mean uncertainty over its voxels; None where no uncertainty was given.
    modality_scores
        Mean inter-discrepancy score of each modality over its slices; None where none of them has scores.
    """

    label: int
    volume_ml: float
    slices: tuple[int, int]
    centroid: tuple[float, float, float]
    mean_probability: float | None
    longest_diameter_mm: float
    diameter_slice: int
    mean_uncertainty: float | None = None
    modality_scores: dict[str, float] | None = None


@dataclass(frozen=True)
class Parts:
    """The connected parts of a mask.

    Attributes
    ----------
    box
        The part of the volume that holds the mask.
    numbers
        ``(s, h, w)``: within the box, the number of each voxel's part from 1 on, and 0 outside the mask.
    sizes
        Voxels of each part, by its number; 0 for number 0.
    """

    box: tuple[slice, slice, slice]
    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Parts | None:
        """The parts of a mask ``(S, H, W)``, None of an empty one; voxels that touch by a corner belong together."""
        if not mask.any():
            return None
        box = bounding_box(mask)  # labelling takes as long as the array is large
        numbers: NDArray[np.int64] = label(mask[box], connectivity=3)
        sizes = np.bincount(numbers.ravel())
        sizes[0] = 0
        return cls(box, numbers, sizes)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sizes) - 1

    def largest_first(self) -> NDArray[np.int64]:
        """Their numbers in the order of their sizes."""
        order: NDArray[np.int64] = 1 + np.argsort(-self.sizes[1:], kind="stable")
        return order


def find_lesions(
    mask: ArrayLike,
    spacing: Sequence[float],
    probability: NDArray[np.float32] | None = None,
    *,
    uncertainty: NDArray[np.float32] | None = None,
    scores: Mapping[int, DiscrepancyScores] | None = None,
) -> tuple[NDArray[np.int32], list[Lesion]]:
    """Split a mask into connected lesions, largest first.

    Voxels that touch by a face, an edge or a corner belong together.

    Parameters
    ----------
    mask
        ``(S, H, W)``; the lesion is where it is above 0.
    spacing
        Voxel size in millimetres along S, H and W.
    probability
        ``(S, H, W)``, averaged over each lesion.
    uncertainty
        ``(S, H, W)``, averaged over each lesion.
    scores
        Discrepancy scores by axial slice, averaged over each lesion's slices.

    Returns
    -------
    labels : (S, H, W) ndarray of int32
        0 outside, else the number of the lesion.
    lesions : list of Lesion
        In the order of their numbers.
    """
    is_lesion = np.asarray(mask) > 0
    labels = np.zeros(is_lesion.shape, np.int32)
    parts = Parts.of(is_lesion)
    if parts is None:
        return labels, []
    order = parts.largest_first()
    labels[parts.box], lesions = describe(
        parts, order, spacing, probability=probability, uncertainty=uncertainty, scores=scores
    )
    return labels, lesions


def describe(
    parts: Parts,
    order: NDArray[np.int64],
    spacing: Sequence[float],
    *,
    probability: NDArray[np.float32] | None = None,
    uncertainty: NDArray[np.float32] | None = None,
    scores: Mapping[int, DiscrepancyScores] | None = None,
) -> tuple[NDArray[np.int32], list[Lesion]]:
    """Measure some parts of a mask, and number them from 1 on in the order given.

    Parameters
    ----------
    parts
        Of the mask.
    order
        Numbers of the parts that are wanted.
    spacing, probability, uncertainty, scores
        As for `find_lesions`, of the whole volume.

    Returns
    -------
    labels : (s, h, w) ndarray of int32
        Within the parts' box: 0 outside and in parts that are not wanted, else the number of the lesion.
    lesions : list of Lesion
        In the order of their numbers; their places are those in the whole volume.
    """
    places = find_objects(parts.numbers)
    renumber = np.zeros(parts.count + 1, dtype=np.int32)
    lesions = []
    for number, part in enumerate(order.tolist(), start=1):
        renumber[part] = number
        place, size = places[part - 1], int(parts.sizes[part])
        inside = parts.numbers[place] == part
        whole = tuple(slice(b.start + p.start, b.start + p.stop) for b, p in zip(parts.box, place, strict=True))
        diameter, diameter_slice = longest_axial_diameter(inside, spacing)
        slices = whole[0].start, whole[0].stop - 1
        mean_probability, mean_uncertainty = (
            None if volume is None else float(volume[whole][inside].mean(dtype=np.float64))
            for volume in (probability, uncertainty)
        )
        lesions.append(
            Lesion(
                label=number,
                volume_ml=size * _voxel_ml(spacing),
                slices=slices,
                centroid=_centroid(inside, size, whole),
                mean_probability=mean_probability,
                longest_diameter_mm=diameter,
                diameter_slice=slices[0] + diameter_slice,
                mean_uncertainty=mean_uncertainty,
                modality_scores=None if scores is None else modality_scores(slices, scores),
            )
        )
    return renumber[parts.numbers], lesions


def _centroid(inside: NDArray[np.bool_], size: int, box: tuple[slice, ...]) -> tuple[float, float, float]:
    """Mean place of the voxels in the whole volume, by counting them along each axis."""
    others = ((1, 2), (0, 2), (0, 1))
    s, h, w = (
        float(np.count_nonzero(inside, axis=axes) @ np.arange(edge.start, edge.stop) / size)
        for axes, edge in zip(others, box, strict=True)
    )
    return s, h, w


def modality_scores(slices: tuple[int, int], scores: Mapping[int, DiscrepancyScores]) -> dict[str, float] | None:
    """Mean inter-discrepancy score of each modality over the slices of a lesion.

    Parameters
    ----------
    slices
        First and last axial slice, both inclusive.
    scores
        By axial slice; slices without scores are left out.

    Returns
    -------
    dict or None
        ``{"t1": ..., ...}``, None where no slice has scores.
    """
    rows = [scores[index].per_modality for index in range(slices[0], slices[1] + 1) if index in scores]
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, values in row.items():
            inter = values["inter"]
            if inter is not None:
                found.setdefault(name, []).append(inter)
    return {name: float(np.mean(values)) for name, values in found.items()} or None


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The smallest box ``(S, H, W)`` that holds all of a mask, which must not be empty."""
    first, last = _ends(np.any(mask, axis=(1, 2)))
    filled = mask[first:last]
    rows, columns = _ends(np.any(filled, axis=(0, 2))), _ends(np.any(filled, axis=(0, 1)))
    return slice(first, last), slice(*rows), slice(*columns)


def _ends(filled: ArrayLike) -> tuple[int, int]:
    places = np.flatnonzero(filled)
    return int(places[0]), int(places[-1]) + 1


def lesion_volume_ml(mask: ArrayLike, spacing: Sequence[float]) -> float:
    """Volume in millilitres of all voxels of `mask` above 0; `spacing` in millimetres."""
    labels = np.asarray(mask)
    is_lesion = labels if labels.dtype.kind in "bu" else labels > 0  # a comparison takes longer than the counting
    return float(np.count_nonzero(is_lesion) * _voxel_ml(spacing))


def _voxel_ml(spacing: Sequence[float]) -> float:
    return float(np.prod(np.asarray(spacing, dtype=np.float64))) / _MM3_PER_ML
