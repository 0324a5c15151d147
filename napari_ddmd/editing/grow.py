"""Growth of a mask to the edge of what is bright around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.editing.parts import each_lesion

Mask = NDArray[np.bool_]

LIMIT_MM = 5.0
# The image is blurred a little first: noise must not stop the growth, nor lead it.
_NOISE_MM = 0.7
# A lesion that is less than this many standard deviations of the tissue brighter than it has no edge to grow to.
_LEAST_CONTRAST = 1.0
# From the median absolute deviation to the standard deviation of a normal distribution.
_MAD_TO_SD = 1.4826


def grow_to_edge(
    mask: Mask, image: NDArray[np.float32], brain: Mask, spacing: Sequence[float], limit_mm: float = LIMIT_MM
) -> Mask:
    """Grow each lesion into bright tissue that adjoins it, as far as the edge.

    The edge is where the image has fallen half of the way from the lesion's median to that of the rest of the brain.
    Nothing grows farther than a limit, nor out of the brain; a lesion that is no brighter than the brain stays.

    Parameters
    ----------
    mask : (S, H, W) ndarray of bool
        With one slice it grows within the slice.
    image : (S, H, W) ndarray of float32
        Where lesions are bright: FLAIR.
    brain : (S, H, W) ndarray of bool
        Where brain is.
    spacing : sequence of float
        Voxel size in millimetres along S, H and W.
    limit_mm : float
        How far it may grow in millimetres.

    Returns
    -------
    (S, H, W) ndarray of bool
        Holds all of the mask.
    """
    grown = mask.copy()
    tissue = image[brain & ~mask]
    if not mask.any() or tissue.size == 0:
        return grown
    normal = float(np.median(tissue))
    spread = float(np.median(np.abs(tissue - normal))) * _MAD_TO_SD
    for box, lesion in each_lesion(mask, [int(np.ceil(limit_mm / size)) + 1 for size in spacing]):
        bright = float(np.median(image[box][lesion]))
        if bright - normal > _LEAST_CONTRAST * spread:
            grown[box] |= _grown(lesion, image[box], brain[box], spacing, (bright + normal) / 2, limit_mm)
    return grown


def _grown(
    lesion: Mask, image: NDArray[np.float32], brain: Mask, spacing: Sequence[float], edge: float, limit_mm: float
) -> Mask:
    sigmas = [0.0 if n == 1 else _NOISE_MM / size for n, size in zip(image.shape, spacing, strict=True)]
    # Only brain counts, else its rim would look dark.
    weight = ndimage.gaussian_filter(brain.astype(np.float32), sigmas)
    blurred = ndimage.gaussian_filter(np.where(brain, image, 0), sigmas) / np.maximum(weight, 1e-6)
    near = ndimage.distance_transform_edt(~lesion, sampling=spacing) <= limit_mm
    open_to = (blurred >= edge) & brain & near
    # A bridge of single voxels (a vessel, a fold of cortex) is no way in.
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[[0, 2]] = False
    broad = ndimage.binary_opening(open_to | lesion, structure=in_plane)
    grown: Mask = ndimage.binary_propagation(lesion, mask=broad & open_to | lesion)
    return grown
