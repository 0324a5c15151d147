"""The longest axial diameter of a lesion, as RECIST measures it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

_DIRECTIONS = 8
"""The nearest of them is 11 degrees away at most: a bound 2 % above the diameter at most."""


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
    y, x, is_there = _outline(mask, spacing[1:])
    most = _at_most(y, x, is_there)
    longest, place = 0.0, 0
    for index in np.argsort(-most, kind="stable").tolist():
        if most[index] < longest:
            break  # nor can any of the slices that are left reach it
        points = np.column_stack([y[index], x[index]])[is_there[index]]
        diameter = float(pdist(points).max())
        if diameter > longest or (diameter == longest and index < place):
            longest, place = diameter, index
    return longest, place


def _outline(
    mask: NDArray[np.bool_], spacing: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Points of each slice's outline in millimetres, among them all corners of its convex hull.

    They lie just beyond the first and the last voxel of each row and of each column. Skimage's `feret_diameter_max`
    makes an image of the convex hull, which takes ten times as long.

    Returns
    -------
    y, x, is_there
        ``(S, n)`` each: coordinates, and whether there is such a point.
    """
    ends = []
    for image in (mask, mask.transpose(0, 2, 1)):
        filled = image.any(axis=2)
        first = image.argmax(axis=2) - 0.5
        last = image.shape[2] - 0.5 - image[:, :, ::-1].argmax(axis=2)
        lines = np.broadcast_to(np.arange(image.shape[1], dtype=np.float64), filled.shape)
        ends.append((np.hstack([lines, lines]), np.hstack([first, last]), np.hstack([filled, filled])))
    (rows, across, in_rows), (columns, down, in_columns) = ends
    y, x = np.hstack([rows, down]) * spacing[0], np.hstack([across, columns]) * spacing[1]
    return y, x, np.hstack([in_rows, in_columns])


def _at_most(y: NDArray[np.float64], x: NDArray[np.float64], is_there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A bound of each slice's diameter, from its width in some directions; below 0 where there are no points."""
    widest = np.full(len(y), -np.inf)
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        along = y * np.sin(angle) + x * np.cos(angle)
        width = np.where(is_there, along, -np.inf).max(axis=1) - np.where(is_there, along, np.inf).min(axis=1)
        widest = np.maximum(widest, width)
    bound: NDArray[np.float64] = widest / np.cos(np.pi / (2 * _DIRECTIONS)) * (1 + 1e-9)  # for the rounding
    return bound
