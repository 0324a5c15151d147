"""The voxels of a series, as a SimpleITK image in its own geometry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.dicom.errors import DicomError, require_libraries
from napari_ddmd.dicom.hushed import hushed, itk_hushed
from napari_ddmd.dicom.lengths import lengths_fit
from napari_ddmd.dicom.study import Series

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom import Dataset

# Voxels of all frames of one file, which are read together: several volumes of a head, and 1 GB of memory.
_MOST_IN_A_FILE: Final = 2**28
_GROUPS: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# What is stored are whole numbers; float32 keeps them as near as that.
_NOT_WHOLE: Final = 0.1

Rescale = tuple[float, float]
_AS_STORED: Final = (1.0, 0.0)


def read_volume(series: Series) -> sitk.Image:
    """Read a series, its slices in the order in which they lie in the patient.

    Parameters
    ----------
    series : Series
        Slices of single-frame files, or frames of one multi-frame file.

    Returns
    -------
    SimpleITK.Image
        float32, after the headers' rescale slope and intercept; position and direction are those of the headers.

    Raises
    ------
    DicomError
        If the slices make no volume, or a file cannot be read.
    """
    require_libraries()
    if series.problem is not None:
        raise DicomError(f"{series.label} {series.problem}")
    try:
        if not all(lengths_fit(file) for file in dict.fromkeys(header.file for header in series.slices)):
            raise RuntimeError("cut short")
        with itk_hushed():  # what its geometry says is not used
            image = _read_frames(series) if series.slices[0].frame is not None else _read_files(series)
    except (RuntimeError, OSError) as error:  # the first is all that SimpleITK raises
        raise DicomError(f"{series.label}: its images cannot be read; copy the study again, uncompressed") from error
    if image.GetSize() != series.size:
        raise DicomError(f"{series.label}: its images have another size than its headers say; copy the study again")
    return placed(image, series.affine)


def placed(image: sitk.Image, affine: NDArray[np.float64]) -> sitk.Image:
    """Put an image in its place.

    Parameters
    ----------
    image : SimpleITK.Image
        Is changed and returned.
    affine : (4, 4) ndarray
        From voxel indices (column, row, slice) to LPS millimetres.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def affine_of(image: sitk.Image) -> NDArray[np.float64]:
    """Return the affine of an image, from voxel indices to LPS millimetres, ``(4, 4)``."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return affine


def _read_files(series: Series) -> sitk.Image:
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(header.file) for header in series.slices])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    image: sitk.Image = reader.Execute()
    return image


def _read_frames(series: Series) -> sitk.Image:
    import SimpleITK as sitk

    files = {header.file for header in series.slices}
    if len(files) > 1:
        raise DicomError(f"{series.label}: is spread over several multi-frame files; export it as single images")
    reader = sitk.ImageFileReader()
    file = files.pop()
    reader.SetFileName(str(file))
    reader.SetOutputPixelType(sitk.sitkFloat32)
    reader.ReadImageInformation()
    if math.prod(reader.GetSize()) > _MOST_IN_A_FILE:
        raise DicomError(f"{series.label}: its multi-frame file holds more than can be used; export a part of it")
    frames = sitk.GetArrayFromImage(reader.Execute())
    numbers = [header.frame or 0 for header in series.slices]
    if frames.ndim != 3 or max(numbers) >= len(frames):
        raise DicomError(f"{series.label}: its multi-frame file cannot be read; export it as single images")
    return sitk.GetImageFromArray(_rescaled(frames[numbers], numbers, file, series))


def _rescaled(frames: NDArray[np.float32], numbers: list[int], file: Path, series: Series) -> NDArray[np.float32]:
    """Give each frame its own rescale slope and intercept: ITK applies those of the file's first frame to all."""
    applied, rescales = _rescales(file)
    own = [rescales[number] for number in numbers]
    if all(rescale == applied for rescale in own):
        return frames
    slope, intercept = applied
    stored = (frames.astype(np.float64) - intercept) / (slope or np.nan)
    whole = np.rint(stored)
    if not (np.abs(stored - whole) <= _NOT_WHOLE).all():
        raise DicomError(f"{series.label}: its frames are scaled each in its own way; export it as single images")
    slopes, intercepts = np.array(own).T[:, :, None, None]
    return np.asarray(whole * slopes + intercepts, dtype=np.float32)


def _rescales(file: Path) -> tuple[Rescale, list[Rescale]]:
    """Return the rescale slope and intercept that ITK applies, and those of each frame."""
    from pydicom import config, dcmread

    try:
        with hushed(), config.disable_value_validation():
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=[*_GROUPS])
            shared = _rescale(next(iter(dataset.get(_GROUPS[0]) or ()), None))
            own = [_rescale(frame) for frame in dataset[_GROUPS[1]].value]
    except Exception as error:  # damaged headers make pydicom raise almost anything
        raise RuntimeError("no rescale") from error
    return shared or own[0] or _AS_STORED, [rescale or shared or _AS_STORED for rescale in own]


def _rescale(groups: Dataset | None) -> Rescale | None:
    """Return slope and intercept of a frame's groups, or of those that all frames share."""
    found = groups.get("PixelValueTransformationSequence") if groups is not None else None
    if not found or "RescaleSlope" not in found[0] or "RescaleIntercept" not in found[0]:
        return None
    return float(found[0].RescaleSlope), float(found[0].RescaleIntercept)
