"""The regular voxel grid that a synthetic case lies on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

FIELD_OF_VIEW = (240.0, 240.0, 155.0)
"""Extent of a BRATS volume along its own axes, mm."""
COARSEST = 6.0
"""Largest voxel edge (mm) at which ventricles and a tumour's rim are still there."""


@dataclass(frozen=True)
class Grid:
    """An isotropic LPS grid inside the BRATS field of view.

    Parameters
    ----------
    shape : tuple of int
        Voxels along the axes to the left, to posterior and to superior.
    spacing : float
        Voxel edge, mm.
    start : tuple of int
        First voxel, counted on the uncropped grid of the same spacing.
    """

    shape: tuple[int, int, int]
    spacing: float
    start: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def covering(cls, shape: tuple[int, int, int]) -> Grid:
        """Return the finest grid of `shape` that covers the BRATS field of view.

        Raises
        ------
        ValueError
            If a voxel would be larger than `COARSEST`.
        """
        spacing = max(extent / n for extent, n in zip(FIELD_OF_VIEW, shape, strict=True))
        if spacing > COARSEST:
            least = tuple(int(-(-extent // COARSEST)) for extent in FIELD_OF_VIEW)
            raise ValueError(f"shape {shape}: too coarse for a brain; take at least {least}")
        return cls(shape, spacing)

    @cached_property
    def affine(self) -> NDArray[np.float64]:
        """Voxel to RAS mm, shape (4, 4); for 240x240x155 that of the BRATS files."""
        half = (self.spacing - 1) / 2  # the centre of the first voxel moves inwards when voxels grow
        first = np.array(self.start) * self.spacing + half
        affine = np.diag([-self.spacing, -self.spacing, self.spacing, 1.0])
        affine[:3, 3] = (-first[0], FIELD_OF_VIEW[1] - 1 - first[1], first[2])
        return affine

    def points(self) -> Field:
        """Return the RAS mm position of each voxel centre, shape (3, I, J, K)."""
        scale, origin = np.diag(self.affine)[:3], self.affine[:3, 3]
        axes = [o + s * np.arange(n) for o, s, n in zip(origin, scale, self.shape, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)

    def crop(self, box: tuple[slice, slice, slice]) -> Grid:
        """Return the part of this grid inside `box` (slices with both ends given)."""
        i, j, k = (s.stop - s.start for s in box)
        a, b, c = (s.start + first for s, first in zip(box, self.start, strict=True))
        return Grid((i, j, k), self.spacing, (a, b, c))

    def resample(self, field: Field, source: Grid) -> Field:
        """Interpolate a field of the grid `source` linearly at the voxels of this one.

        Parameters
        ----------
        field : ndarray, shape (..., I, J, K)
            Values on `source`; beyond its border they continue.
        source : Grid
            The grid of `field`.

        Returns
        -------
        ndarray, shape (..., *self.shape)
        """
        first = (self.affine[:3, 3] - source.affine[:3, 3]) / np.diag(source.affine)[:3]
        ratio = self.spacing / source.spacing
        i, j, k = (f + ratio * np.arange(n) for f, n in zip(first, self.shape, strict=True))
        return interpolate(field, (i, j, k))


def interpolate(field: Field, positions: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]) -> Field:
    """Interpolate the last three axes of a field linearly.

    Axis by axis this takes a fraction of the time of `scipy.ndimage.zoom`, and a case takes dozens of fields.

    Parameters
    ----------
    field : ndarray, shape (..., I, J, K)
        Values; beyond the border they continue.
    positions : tuple of ndarray
        Voxels along each of the three axes; the result is taken where they cross.
    """
    for axis, position in ((-1, positions[2]), (-2, positions[1]), (-3, positions[0])):
        last = field.shape[axis] - 1
        inside = np.clip(position, 0, last)
        below = np.minimum(inside.astype(np.intp), last - 1)
        share = (inside - below).astype(np.float32).reshape(-1, *[1] * (-1 - axis))
        low, high = np.take(field, below, axis), np.take(field, below + 1, axis)
        high -= low
        high *= share
        high += low
        field = high
    return field
