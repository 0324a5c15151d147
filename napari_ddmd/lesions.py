"""Connected lesions of a mask: how many, how large, where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label, regionprops_table

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
    """

    label: int
    volume_ml: float
    slices: tuple[int, int]
    centroid: tuple[float, float, float]
    mean_probability: float | None


def find_lesions(
    mask: ArrayLike,
    spacing: Sequence[float],
    probability: NDArray[np.float32] | None = None,
    min_volume_ml: float = 0.0,
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

    Returns
    -------
    labels : (S, H, W) ndarray of int32
        0 outside, else the number of the lesion.
    lesions : list of Lesion
        In the order of their numbers.
    """
    components: NDArray[np.int64] = label(np.asarray(mask) > 0, connectivity=3)
    properties = ("label", "num_pixels", "bbox", "centroid")
    table = regionprops_table(components, properties=properties)
    voxel_ml = _voxel_ml(spacing)
    numbers, sizes = table["label"], table["num_pixels"]
    sums = None if probability is None else np.bincount(components.ravel(), probability.ravel())
    order = [row for row in np.argsort(-sizes, kind="stable") if sizes[row] * voxel_ml >= min_volume_ml]

    renumber = np.zeros(len(numbers) + 1, dtype=np.int32)
    lesions = []
    for number, row in enumerate(order, start=1):
        renumber[numbers[row]] = number
        lesions.append(
            Lesion(
                label=number,
                volume_ml=float(sizes[row] * voxel_ml),
                slices=(int(table["bbox-0"][row]), int(table["bbox-3"][row]) - 1),
                centroid=(
                    float(table["centroid-0"][row]),
                    float(table["centroid-1"][row]),
                    float(table["centroid-2"][row]),
                ),
                mean_probability=None if sums is None else float(sums[numbers[row]] / sizes[row]),
            )
        )
    return renumber[components], lesions


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
    kept = np.zeros_like(mask)
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
