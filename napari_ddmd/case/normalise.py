"""Intensities of one case on a common scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normalise(
    images: NDArray[np.float32], brain: NDArray[np.bool_], *, lower: float, upper: float
) -> NDArray[np.float32]:
    """Scale each modality so that two percentiles of its brain voxels become 0 and 1, and clip.

    Parameters
    ----------
    images
        Raw intensities ``(C, S, H, W)``.
    brain
        ``(S, H, W)``.
    lower, upper
        Percentiles, in per cent. Those of a modality are taken over its own non-zero brain voxels, so that a modality
        that covers only a part of the brain keeps its contrast.

    Returns
    -------
    ndarray
        ``(C, S, H, W)`` in [0, 1]; zero outside the brain.
    """
    scaled = np.zeros_like(images)
    for channel, image in enumerate(images):
        voxels = image[brain & (image != 0)]
        if voxels.size == 0:
            continue
        low, high = np.percentile(voxels, (lower, upper)).astype(np.float32)
        own = scaled[channel]
        np.clip(image, low, high, out=own)  # first of all, so that nothing overflows where both are almost the same
        own -= low
        own /= max(high - low, np.finfo(np.float32).tiny)
    scaled *= brain
    return scaled
