"""Smoother outlines that hold as much as before, and no holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.editing.parts import each_lesion

Mask = NDArray[np.bool_]

SIGMA_MM = 1.5
# Beyond this many standard deviations a Gaussian is nothing.
_REACH = 3


def fill_holes(mask: Mask) -> Mask:
    """Fill what a mask encloses, in each axial slice ``(S, H, W)`` by itself.

    A hole in three dimensions is one in every slice; what is open to the top alone is filled too.
    """
    filled = mask.copy()
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        filled[index] = ndimage.binary_fill_holes(mask[index])
    return filled


def smooth(mask: Mask, spacing: Sequence[float], within: Mask, sigma_mm: float = SIGMA_MM) -> Mask:
    """Smooth the outline of each lesion, and keep its volume.

    A Gaussian blurs the lesion, and of the voxels as many of the highest are taken as it had before. Lesions are
    smoothed one by one, so that none gives its volume to another, nor grows up to it.

    Parameters
    ----------
    mask : (S, H, W) ndarray of bool
        With one slice it is smoothed within the slice.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    within : (S, H, W) ndarray of bool
        Nothing is added outside.
    sigma_mm : float
        Standard deviation of the Gaussian in millimetres.
    """
    smoothed = np.zeros_like(mask)
    sigmas = [sigma_mm / size for size in spacing]
    # An axis of one slice has no neighbours to blur with.
    sigmas = [0.0 if length == 1 else sigma for sigma, length in zip(sigmas, mask.shape, strict=True)]
    for box, lesion in each_lesion(mask, [int(np.ceil(_REACH * sigma)) for sigma in sigmas]):
        others = (mask[box] & ~lesion) | smoothed[box]
        free = within[box] & ~ndimage.binary_dilation(others, structure=np.ones((3, 3, 3)))
        smoothed[box] |= _as_large(lesion, sigmas, free | lesion)
    return smoothed


def _as_large(lesion: Mask, sigmas: Sequence[float], within: Mask) -> Mask:
    blurred = ndimage.gaussian_filter(lesion.astype(np.float32), sigmas, mode="nearest", truncate=_REACH)
    blurred[~within] = -1
    # Stable, so that of voxels that are alike always the same ones are taken.
    order = np.argsort(-blurred, axis=None, kind="stable")
    chosen = np.zeros(lesion.size, bool)
    chosen[order[: np.count_nonzero(lesion)]] = True
    return chosen.reshape(lesion.shape)
