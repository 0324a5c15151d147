"""Connected lesions of a mask: how many, how large, where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label, regionprops_table

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


def find_lesions(
    mask: ArrayLike,
    spacing: Sequence[float],
    probability: NDArray[np.float32] | None = None,
    min_volume_ml: float = 0.0,
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
    min_volume_ml
        Lesions smaller than this are left out of the list and of the labels.
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
    if not is_lesion.any():
        return labels, []
    box = bounding_box(is_lesion)  # labelling takes as long as the array is large
    corner = tuple(edge.start for edge in box)
    components: NDArray[np.int64] = label(is_lesion[box], connectivity=3)
    table = regionprops_table(components, properties=("label", "num_pixels", "bbox", "centroid"))
    voxel_ml = _voxel_ml(spacing)
    numbers, sizes = table["label"], table["num_pixels"]
    order = [row for row in np.argsort(-sizes, kind="stable") if sizes[row] * voxel_ml >= min_volume_ml]
    sums = [
        None if volume is None else np.bincount(components.ravel(), volume[box].ravel())
        for volume in (probability, uncertainty)
    ]

    renumber = np.zeros(len(numbers) + 1, dtype=np.int32)
    lesions = []
    for number, row in enumerate(order, start=1):
        renumber[numbers[row]] = number
        ends = [(int(table[f"bbox-{axis}"][row]), int(table[f"bbox-{axis + 3}"][row])) for axis in range(3)]
        inside = components[tuple(slice(*pair) for pair in ends)] == numbers[row]
        diameter, diameter_slice = longest_axial_diameter(inside, spacing)
        slices = ends[0][0] + corner[0], ends[0][1] + corner[0] - 1
        s, h, w = (float(table[f"centroid-{axis}"][row] + corner[axis]) for axis in range(3))
        mean_probability, mean_uncertainty = (
            None if total is None else float(total[numbers[row]] / sizes[row]) for total in sums
        )
        lesions.append(
            Lesion(
                label=number,
                volume_ml=float(sizes[row] * voxel_ml),
                slices=slices,
                centroid=(s, h, w),
                mean_probability=mean_probability,
                longest_diameter_mm=diameter,
                diameter_slice=slices[0] + diameter_slice,
                mean_uncertainty=mean_uncertainty,
                modality_scores=None if scores is None else modality_scores(slices, scores),
            )
        )
    labels[box] = renumber[components]
    return labels, lesions


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


def drop_small_parts(mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Leave out the connected parts of a mask that are smaller than a share of the largest part.

    Parameters
    ----------
    mask
        ``(S, H, W)``. Voxels that touch by a face, an edge or a corner belong together.
    share
        0 keeps all, 1 keeps the largest alone.

    Returns
    -------
    ndarray of bool
        ``(S, H, W)``.
    """
    if share <= 0 or not mask.any():
        return mask.copy()
    kept = np.zeros(mask.shape, np.bool_)  # not zeros_like, which writes every page
    box = bounding_box(mask)  # labelling takes as long as the array is large
    parts: NDArray[np.int64] = label(mask[box], connectivity=3)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    large = sizes >= share * sizes.max()
    kept[box] = large[parts]
    return kept


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
    return float(np.count_nonzero(np.asarray(mask) > 0) * _voxel_ml(spacing))


def _voxel_ml(spacing: Sequence[float]) -> float:
    return float(np.prod(np.asarray(spacing, dtype=np.float64))) / _MM3_PER_ML
