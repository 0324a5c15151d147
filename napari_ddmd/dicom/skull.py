"""Whether the skull has been removed from an image, and a mask that removes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.case import AxialGrid, CaseError
from napari_ddmd.case.nifti import open_nifti
from napari_ddmd.dicom.errors import DicomError

# Of 16 BRATS cases the largest section through the brain has 154 to 201 cm², the brain 1.25 to 1.73 L. A head has
# some 240 cm² and, with neck and face, 3 L and more.
_LARGEST_SECTION: Final = 215e2
_LARGEST_BRAIN: Final = 2.0e6
_PIXEL: Final = 2.0
_EMPTY_BORDER: Final = 0.99
_LEAST_BACKGROUND: Final = 0.35


def is_skull_stripped(volume: NDArray[np.float32], spacing: tuple[float, float, float]) -> bool:
    """Tell whether an image shows a brain alone: zero around it, and no larger than a brain is.

    A scanner's image has noise around the head. Where the air was set to zero, the head is still too large.

    Parameters
    ----------
    volume : (slices, rows, columns) ndarray
        One series, in its own geometry.
    spacing : tuple of float
        Millimetres along these axes.
    """
    is_there = volume != 0
    border = np.concatenate([edge.ravel() for axis in (1, 2) for edge in np.take(is_there, [0, -1], axis=axis)])
    if 1 - border.mean() < _EMPTY_BORDER or 1 - is_there.mean() < _LEAST_BACKGROUND:
        return False
    # Pixels of some 2 mm are enough for an area, and filling holes takes long.
    rows, columns = (max(1, round(_PIXEL / size)) for size in spacing[1:])
    # Bone and the air in it may be zero, too; they belong to the head all the same.
    sections = np.array([ndimage.binary_fill_holes(section).sum() for section in is_there[:, ::rows, ::columns]])
    pixel = spacing[1] * rows * spacing[2] * columns
    return bool(sections.max() * pixel <= _LARGEST_SECTION and sections.sum() * pixel * spacing[0] <= _LARGEST_BRAIN)


def read_brain_mask(file: Path, grid: AxialGrid) -> NDArray[np.bool_]:
    """Read a brain mask, and put it on the grid of a case.

    Parameters
    ----------
    file : Path
        A NIfTI file in the patient's coordinates, on any grid; the brain is where it is above 0.
    grid : AxialGrid
        The case's grid.

    Returns
    -------
    (S, H, W) ndarray of bool
        By nearest neighbour.

    Raises
    ------
    DicomError
        If the mask cannot be read, tells no position, or does not meet the images.
    """
    try:
        mask_file = open_nifti(file)
        voxels = mask_file.read_voxels() > 0
        from_patient = np.linalg.inv(mask_file.affine)
    except (CaseError, np.linalg.LinAlgError) as error:
        raise DicomError(f"{file}: the brain mask cannot be read; give a 3-D NIfTI file") from error
    if not mask_file.has_orientation:
        raise DicomError(f"{file}: the brain mask tells no position; save it with the images' geometry")
    to_mask = from_patient @ grid.axial_affine
    brain: NDArray[np.bool_] = (
        ndimage.affine_transform(
            voxels.astype(np.uint8), to_mask[:3, :3], to_mask[:3, 3], grid.shape, order=0, mode="grid-constant"
        )
        > 0
    )
    if not brain.any():
        raise DicomError(f"{file}: the brain mask lies beside the images; give one that was made from this study")
    return brain
