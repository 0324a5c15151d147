"""The axial grid: one array order for every case, and the exact way back to the files' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from numpy.typing import ArrayLike, NDArray

from napari_ddmd.case.errors import CaseError

_AXIAL_ORIENTATION = axcodes2ornt(("S", "P", "L"))
# Sine of the largest tilt that counts as axis-aligned: a quarter of a millimetre over a head.
_TILT = 1e-3
# Millimetres. A window about such a brain, at such a resolution, still fits into memory; beyond, the header is wrong.
_SMALLEST, _LARGEST, _LONGEST, _FARTHEST = 0.1, 100.0, 600.0, 1e6


@dataclass(frozen=True, eq=False)
class AxialGrid:
    """The voxel grid of a file, and its reading as axial slices.

    The axial order is ``(S, H, W)``: slices rise to superior, rows (H) run to posterior and columns (W) to
    the patient's left, which is the radiological view. The change of order only permutes and flips axes, so
    it is exact in both directions. Make one with :meth:`from_affine`, which checks the geometry.

    Parameters
    ----------
    source_shape : tuple of int
        Shape of the file's array, in its own order.
    affine : (4, 4) ndarray of float64
        From the file's voxel indices to RAS millimetres.
    """

    source_shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @classmethod
    def from_affine(cls, affine: ArrayLike, shape: Sequence[int]) -> AxialGrid:
        """Make the grid of a file.

        Parameters
        ----------
        affine : (4, 4) array_like
            From voxel indices to RAS millimetres.
        shape : sequence of three int
            Shape of the file's array.

        Raises
        ------
        CaseError
            If the geometry is not finite, has no volume, or is oblique: its axes do not run along the
            body's axes, so that its slices are no axial slices.
        """
        matrix = np.array(affine, dtype=np.float64)
        if matrix.shape != (4, 4) or len(shape) != 3:
            raise CaseError("the geometry is not that of a 3-D image; save the image as 3-D NIfTI")
        if _is_damaged(matrix):
            raise CaseError("the geometry in the header is damaged; save the image again with a valid affine")
        sizes = voxel_sizes(matrix)
        if sizes.min() < _SMALLEST or sizes.max() > _LARGEST:
            size = "×".join(f"{length:g}" for length in sizes)
            raise CaseError(f"the voxels are {size} mm, which cannot be; save the image again with its spacing in mm")
        if max(extents := [length * size for length, size in zip(shape, sizes, strict=True)]) > _LONGEST:
            raise CaseError(
                f"the image is {max(extents):.0f} mm long, which no head is; crop it, or correct its spacing"
            )
        cosines = np.abs(matrix[:3, :3] / voxel_sizes(matrix))
        along = cosines.argmax(axis=0)
        if len(set(along.tolist())) < 3 or np.sort(cosines, axis=0)[:2].max() > _TILT:
            raise CaseError("the image is oblique (its axes are tilted); resample it to axial slices")
        matrix.setflags(write=False)
        return cls((int(shape[0]), int(shape[1]), int(shape[2])), matrix)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AxialGrid)
            and self.source_shape == other.source_shape
            and np.array_equal(self.affine, other.affine)
        )

    def __hash__(self) -> int:
        return hash((self.source_shape, tuple(self.affine.ravel())))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape ``(S, H, W)`` on the axial grid."""
        slices, rows, columns = (self.source_shape[axis] for axis in self._source_axes)
        return slices, rows, columns

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in millimetres along S, H and W."""
        sizes = voxel_sizes(self.affine)
        slices, rows, columns = (float(sizes[axis]) for axis in self._source_axes)
        return slices, rows, columns

    @property
    def translate(self) -> tuple[float, float, float]:
        """Position in millimetres of axial voxel (0, 0, 0), along S (up), H (back) and W (to the left)."""
        right, anterior, superior = apply_affine(self.affine, self.source_voxel(0, 0, 0))
        # Zero is added because headers are full of negative zeros.
        return float(superior) + 0.0, -float(anterior) + 0.0, -float(right) + 0.0

    @property
    def axial_affine(self) -> NDArray[np.float64]:
        """From axial voxel indices ``(s, h, w)`` to RAS millimetres, ``(4, 4)``."""
        affine: NDArray[np.float64] = self.affine @ self._voxel_map
        return affine

    def to_axial(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Reorder ``(..., i, j, k)`` of the file to ``(..., S, H, W)``; C-contiguous."""
        return _reorder(volume, self._to_axial, self.source_shape)

    def to_source(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Reorder ``(..., S, H, W)`` to ``(..., i, j, k)`` of the file, the exact inverse; C-contiguous."""
        return _reorder(volume, self._to_source, self.shape)

    def source_voxel(self, s: int, h: int, w: int) -> tuple[int, int, int]:
        """Return the file's voxel ``(i, j, k)`` of axial voxel ``(s, h, w)``."""
        i, j, k = np.rint(apply_affine(self._voxel_map, (s, h, w))).astype(int).tolist()
        return i, j, k

    def file_slice(self, s: int) -> int:
        """Return the slice number in the file, along its inferior-superior axis, of axial slice `s`."""
        return self.source_voxel(s, 0, 0)[self._source_axes[0]]

    def axial_slice(self, k: int) -> int:
        """Return the axial slice of slice number `k` in the file; the inverse of :meth:`file_slice`."""
        # A flip is its own inverse, and so is no flip.
        return self.file_slice(k)

    @cached_property
    def _to_axial(self) -> NDArray[np.float64]:
        transform: NDArray[np.float64] = ornt_transform(io_orientation(self.affine), _AXIAL_ORIENTATION)
        return transform

    @cached_property
    def _to_source(self) -> NDArray[np.float64]:
        transform: NDArray[np.float64] = ornt_transform(_AXIAL_ORIENTATION, io_orientation(self.affine))
        return transform

    @cached_property
    def _voxel_map(self) -> NDArray[np.float64]:
        """From voxels of the axial grid to voxels of the file."""
        voxel_map: NDArray[np.float64] = inv_ornt_aff(self._to_axial, self.source_shape)
        return voxel_map

    @cached_property
    def _source_axes(self) -> tuple[int, int, int]:
        """The file's axes that S, H and W run along."""
        slices, rows, columns = np.argsort(self._to_axial[:, 0]).tolist()
        return slices, rows, columns


def _is_damaged(matrix: NDArray[np.float64]) -> bool:
    """Tell whether an affine puts no volume anywhere in a scanner."""
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = voxel_sizes(matrix)
        if not np.isfinite(matrix).all() or not np.isfinite(sizes).all() or (sizes <= 0).any():
            return True
        volume = abs(np.linalg.det(matrix[:3, :3] / sizes))
    return bool(volume < _TILT or np.abs(matrix[:3, 3]).max() > _FARTHEST)


def _reorder(volume: NDArray[Any], orientation: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[Any]:
    if volume.shape[-3:] != shape:
        raise ValueError(f"the last three axes are {volume.shape[-3:]}, the grid has {shape}")
    spatial_first = np.moveaxis(volume, (-3, -2, -1), (0, 1, 2))
    reordered = apply_orientation(spatial_first, orientation)
    return np.ascontiguousarray(np.moveaxis(reordered, (0, 1, 2), (-3, -2, -1)))
