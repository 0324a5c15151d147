"""The grid that a study is resampled to: axial slices of 1 mm, as BRATS has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from napari_ddmd.case import AxialGrid
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.study import Series, is_too_much

if TYPE_CHECKING:
    import SimpleITK as sitk

_LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_PLACE: Final = 0.1
# Points along each axis at which it is asked what an image covers.
_PROBES: Final = 24


@dataclass(frozen=True)
class TargetGrid:
    """Cubes of 1 mm along the patient's axes.

    Parameters
    ----------
    size : (3,) tuple of int
        Voxels to the left, to posterior and to superior.
    first : (3,) tuple of float
        Centre of the first voxel, LPS millimetres.
    """

    size: tuple[int, int, int]
    first: tuple[float, float, float]

    @classmethod
    def covering(cls, affine: NDArray[np.float64], size: Sequence[int]) -> TargetGrid:
        """Return the grid that holds all voxels of a series.

        Parameters
        ----------
        affine : (4, 4) ndarray
            From voxel indices to LPS millimetres.
        size : sequence of three int
            Voxels along each axis.

        Raises
        ------
        DicomError
            If it would be larger than a case may be.
        """
        # Half a voxel more on each side: voxels have an extent.
        ends = [(-0.5, length - 0.5) for length in size]
        corners = apply_affine(affine, np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3))
        low, high = corners.min(axis=0), corners.max(axis=0)
        columns, rows, slices = np.maximum(np.rint(high - low), 1).astype(int).tolist()
        if is_too_much((columns, rows, slices)):
            raise DicomError(f"the series cover {columns}×{rows}×{slices} mm, more than a head; choose others")
        x, y, z = ((low + high) / 2 - (np.array([columns, rows, slices]) - 1) / 2).tolist()
        return cls((columns, rows, slices), (x, y, z))

    @property
    def grid(self) -> AxialGrid:
        """The grid of a case: its arrays' order is (left, posterior, superior), as in BRATS files."""
        affine = np.eye(4)
        affine[:3, 3] = self.first
        return AxialGrid.from_affine(_LPS_TO_RAS @ affine, self.size)

    def resample(self, image: sitk.Image, transform: sitk.Transform | None) -> sitk.Image:
        """Resample an image to this grid, linearly: nothing is brighter than in the image, nothing below 0 arises.

        Parameters
        ----------
        image : SimpleITK.Image
            float32.
        transform : SimpleITK.Transform or None
            From points of this grid to points of the image; None where they are the same.
        """
        import SimpleITK as sitk

        way = sitk.Transform(3, sitk.sitkIdentity) if transform is None else transform
        place = (self.first, (1.0, 1.0, 1.0), np.eye(3).ravel().tolist())
        return sitk.Resample(image, self.size, way, sitk.sitkLinear, *place, 0.0, sitk.sitkFloat32)

    def cover(
        self, affine: NDArray[np.float64], size: Sequence[int], transform: sitk.Transform, reference: Series
    ) -> float:
        """Return the share of a reference's volume that another image covers.

        Parameters
        ----------
        affine, size
            Geometry of the image.
        transform : SimpleITK.Transform
            From points of the reference to points of the image.
        reference : Series
            The reference.
        """
        axes = [np.linspace(0, length - 1, _PROBES) for length in reference.size]
        voxels = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        points = [transform.TransformPoint(point) for point in apply_affine(reference.affine, voxels).tolist()]
        there = apply_affine(np.linalg.inv(affine), np.array(points))
        inside = (there >= -0.5) & (there <= np.array(size) - 0.5)
        return float(inside.all(axis=1).mean())


def share_grid(series: Sequence[Series]) -> bool:
    """Tell whether all series lie on one grid in one frame of reference, voxel for voxel."""
    first = series[0]
    frames = {one.facts.frame_of_reference for one in series}
    if len(frames) > 1 or frames == {""} or any(one.size != first.size for one in series):
        return False
    ends = [(0, length - 1) for length in first.size]
    corners = np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)
    places = [apply_affine(one.affine, corners) for one in series]
    apart = max(float(np.abs(place - places[0]).max()) for place in places)
    return apart <= _SAME_PLACE * min(first.spacing)
