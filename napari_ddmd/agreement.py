"""How far two masks of one case agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_ddmd.lesions import lesion_volume_ml

Mask = NDArray[np.bool_]

BOTH, ONLY_FIRST, ONLY_SECOND = 1, 2, 3
"""Values of `overlap`."""

_PERCENTILE = 95


@dataclass(frozen=True)
class Agreement:
    """Figures of a mask against the expert's.

    Attributes
    ----------
    dice : float
        Of the whole volume; 1 where both are empty.
    hd95 : float
        95th percentile of the surface distances in millimetres; nan where a mask is empty.
    mask_ml, expert_ml : float
        Volume of each in millilitres.
    only_mask_ml, only_expert_ml : float
        What only one of the two holds: false positive, and false negative.
    slice_dice : (S,) ndarray
        Dice of each axial slice; nan where both are empty.
    overlap : (S, H, W) ndarray of uint8
        0, or `BOTH`, `ONLY_FIRST` (the mask), `ONLY_SECOND` (the expert).
    """

    dice: float
    hd95: float
    mask_ml: float
    expert_ml: float
    only_mask_ml: float
    only_expert_ml: float
    slice_dice: NDArray[np.float64]
    overlap: NDArray[np.uint8]


def compare(mask: ArrayLike, expert: ArrayLike, spacing: Sequence[float]) -> Agreement:
    """Compare a mask with the expert's.

    Parameters
    ----------
    mask, expert : (S, H, W) array_like
        The lesion is where they are above 0.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    """
    ours, theirs = np.asarray(mask) > 0, np.asarray(expert) > 0
    regions = overlap(ours, theirs)
    return Agreement(
        dice=dice(ours, theirs),
        hd95=hd95(ours, theirs, spacing),
        mask_ml=lesion_volume_ml(ours, spacing),
        expert_ml=lesion_volume_ml(theirs, spacing),
        only_mask_ml=lesion_volume_ml(regions == ONLY_FIRST, spacing),
        only_expert_ml=lesion_volume_ml(regions == ONLY_SECOND, spacing),
        slice_dice=_slice_dice(ours, theirs),
        overlap=regions,
    )


def dice(first: Mask, second: Mask) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of one shape; 1 where both are empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / total) if total else 1.0


def hd95(first: Mask, second: Mask, spacing: Sequence[float]) -> float:
    """95th percentile of the surface distances, the larger of both ways.

    Parameters
    ----------
    first, second : ndarray of bool
        Of one shape, in two or three dimensions.
    spacing : sequence of float
        Voxel size in millimetres along each axis.

    Returns
    -------
    float
        Millimetres; nan where a mask is empty.
    """
    if not first.any() or not second.any():
        return float("nan")
    # Surfaces and their distances do not change outside the box, and inside it they are found in no time.
    box = ndimage.find_objects((first | second).astype(np.uint8))[0]
    one, other = _surface(first[box]), _surface(second[box])
    return max(_percentile_to(one, other, spacing), _percentile_to(other, one, spacing))


def overlap(first: Mask, second: Mask) -> NDArray[np.uint8]:
    """Label what both masks hold, what only the first, and what only the second."""
    regions = np.zeros(first.shape, np.uint8)
    regions[first & second] = BOTH
    regions[first & ~second] = ONLY_FIRST
    regions[second & ~first] = ONLY_SECOND
    return regions


def _slice_dice(first: Mask, second: Mask) -> NDArray[np.float64]:
    total = first.sum(axis=(1, 2)) + second.sum(axis=(1, 2))
    both = (first & second).sum(axis=(1, 2))
    figures: NDArray[np.float64] = np.where(total > 0, 2 * both / np.maximum(total, 1), np.nan)
    return figures


def _surface(mask: Mask) -> Mask:
    surface: Mask = mask & ~ndimage.binary_erosion(mask)
    return surface


def _percentile_to(surface: Mask, other: Mask, spacing: Sequence[float]) -> float:
    distances = ndimage.distance_transform_edt(~other, sampling=spacing)[surface]
    return float(np.percentile(distances, _PERCENTILE))
