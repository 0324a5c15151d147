"""The longest axial diameter of a lesion, as RECIST measures it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist


def longest_axial_diameter(mask: NDArray[np.bool_], spacing: Sequence[float]) -> tuple[float, int]:
    """Largest distance between two points of a lesion within one axial slice.

    It is measured on the lesion's outline, which runs half-way between the centres of the voxels inside and those
    outside: ten voxels of 1 mm in a row measure 10 mm. Where several parts lie in one slice, it spans them all.

    Parameters
    ----------
    mask
        ``(S, H, W)``, not empty.
    spacing
        Voxel size in millimetres along S, H and W.

    Returns
    -------
    diameter : float
        In millimetres.
    slice : int
        The slice of it; the first one where several have it.
    """
    diameters = [_longest_diameter(image, spacing[1:]) for image in mask]
    longest = int(np.argmax(diameters))
    return diameters[longest], longest


def _longest_diameter(image: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Skimage's `feret_diameter_max` says the same by way of an image of the convex hull, ten times as slowly."""
    if not image.any():
        return 0.0
    # Only the ends of rows and of columns can be corners of the outline's convex hull.
    across, down = _ends(image, 0.5), _ends(image.T, 0.5)[:, ::-1]
    return float(pdist(np.concatenate([across, down]) * np.asarray(spacing)).max())


def _ends(image: NDArray[np.bool_], margin: float) -> NDArray[np.float64]:
    """Points ``(n, 2)`` just beyond the first and the last voxel of each row that has any."""
    rows = np.flatnonzero(image.any(axis=1))
    filled = image[rows]
    first = filled.argmax(axis=1) - margin
    last = filled.shape[1] - 1 - filled[:, ::-1].argmax(axis=1) + margin
    return np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])])
