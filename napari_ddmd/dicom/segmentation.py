"""A mask as a DICOM segmentation on the slices of the study that the case was made from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.case import Case
from napari_ddmd.dicom.errors import DicomError, require_libraries
from napari_ddmd.dicom.hushed import hushed
from napari_ddmd.dicom.origin import origin_of
from napari_ddmd.dicom.study import Series
from napari_ddmd.lesions import Parts, lesion_volume_ml
from napari_ddmd.whole_files import one_line_errors, put_in_place, workplace

if TYPE_CHECKING:
    from pydicom import Dataset

# A segmentation is a series of its own; numbers of a scanner are lower.
_SERIES_NUMBER: Final = 9001
_NAME: Final = "napari-ddmd"
_COLOR: Final = (85.9, 1.9, 73.9)
"""Yellow as of the lesion in napari, in CIE L*a*b*."""
# Attributes that the standard wants in every image, empty if need be, and that anonymised studies lack.
_EXPECTED: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
_SEXES: Final = ("M", "F", "O")
_ELSE: Final = "save the mask as NIfTI instead"

Made = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]


def write_segmentation(
    path: str | Path,
    mask: NDArray[Any],
    case: Case,
    *,
    made: Made = "AUTOMATIC",
) -> Path:
    """Write a mask as a DICOM segmentation (SEG) that other viewers lay over the study.

    It lies on the slices of the case's reference series; where the case was resampled, the mask is resampled back by
    nearest neighbour (`lesions_lost` tells what of it falls between the slices). Slices without lesion are left out.

    The standard demands that a segmentation repeats what its study says of the patient and the examination (name,
    identifier, birth date, sex, dates, accession number): the file is as confidential as the study itself.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced in one step.
    mask : (S, H, W) ndarray
        On the case's axial grid; the lesion is where it is above 0.
    case : Case
        A case made by `load_study`.
    made : str
        ``AUTOMATIC`` for the model's own mask, ``SEMIAUTOMATIC`` where a person has worked on it, ``MANUAL`` for one
        that is no model's as far as is known.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DicomError
        If the case was not made from DICOM, the mask is empty, or the study's files are no longer what they were.
    ExportError
        If the file cannot be written.
    """
    require_libraries()
    target = Path(path)
    origin = origin_of(case)
    if origin is None:
        raise DicomError(f"{target}: {case.name} was not opened from DICOM, so there are no slices to refer to")
    if mask.shape != case.grid.shape:
        raise ValueError(f"the mask is {mask.shape}, the case has {case.grid.shape}")
    series = origin.reference_series
    if not series.facts.frame_of_reference:
        told = f"{series.label} names no frame of reference, to which a segmentation is tied"
        raise DicomError(f"{target}: {told}; {_ELSE}")
    frames = on_series(mask > 0, case, series)
    if not frames.any():
        missed = "falls between the slices of the study" if mask.any() else "holds no lesion"
        raise DicomError(f"{target}: the mask {missed}, and a segmentation must not be empty")
    with hushed():  # what scanners and anonymisers left in the headers is not ours to remark on
        sources = _sources(series)
    try:
        segmentation = _segmentation(sources, frames, made)
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # what highdicom says may be the patient's data
        raise DicomError(f"{target}: the headers of {series.label} are not what the standard wants; {_ELSE}") from error
    if series.slices[0].frame is not None:
        _refer_to_file(segmentation, series)
    with one_line_errors(target), workplace(target.parent) as place:
        fresh = place / target.name
        segmentation.save_as(fresh)
        return put_in_place(fresh, target)


def on_series(mask: NDArray[np.bool_], case: Case, series: Series) -> NDArray[np.bool_]:
    """Resample a mask ``(S, H, W)`` of a case to the slices of its reference, ``(slices, rows, columns)``."""
    return np.asarray(_resampled(mask.astype(np.uint8), case, series) > 0)


def lesions_lost(mask: NDArray[Any], case: Case) -> str:
    """Say which part of the lesions a segmentation holds where small ones fall between the slices of the study.

    Parameters
    ----------
    mask : (S, H, W) ndarray
        On the case's axial grid; the lesion is where it is above 0.
    case : Case
        A case made by `load_study`.

    Returns
    -------
    str
        One line; empty where each lesion is there.
    """
    origin, parts = origin_of(case), Parts.of(mask > 0)
    if origin is None or parts is None:
        return ""
    series = origin.reference_series
    numbers = np.zeros(mask.shape, dtype=np.int32)
    numbers[parts.box] = parts.numbers
    there = _resampled(numbers, case, series)
    count = np.count_nonzero(np.unique(there))
    if count == parts.count:
        return ""
    whole, held = lesion_volume_ml(mask, case.spacing), lesion_volume_ml(there, series.spacing)
    lesions = "1 lesion" if parts.count == 1 else f"{parts.count} lesions"
    return (
        f"of {lesions} ({whole:.2f} mL) the DICOM segmentation on slices of {series.spacing[2]:.1f} mm holds"
        f" {count} ({held:.2f} mL): the others lie between the slices"
    )


def _resampled(volume: NDArray[Any], case: Case, series: Series) -> NDArray[Any]:
    ras_to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    # Axis order of arrays is the reverse of that of voxel indices.
    reverse = np.eye(4)[[2, 1, 0, 3]]
    to_case = np.linalg.inv(ras_to_lps @ case.grid.axial_affine) @ series.affine @ reverse
    shape = series.size[::-1]
    return np.asarray(
        ndimage.affine_transform(volume, to_case[:3, :3], to_case[:3, 3], shape, order=0, mode="grid-constant")
    )


def _sources(series: Series) -> list[Dataset]:
    """Return the images that the segmentation refers to, in the order of the slices; frames of one file as one."""
    files = list(dict.fromkeys(header.file for header in series.slices))
    datasets = [_read(file) for file in files]
    uids = [str(dataset.get("SOPInstanceUID", "")) for dataset in datasets]
    numbers = [header.frame or 0 for header in series.slices]
    count = int(datasets[0].get("NumberOfFrames") or 1)
    if uids != list(dict.fromkeys(header.uid for header in series.slices)) or max(numbers) >= count:
        raise DicomError(f"{series.label}: its files have changed since they were read; open the study again")
    if series.slices[0].frame is None:
        for dataset in datasets:  # those of one stack may differ in the last digit, which highdicom does not take
            dataset.ImageOrientationPatient = list(series.slices[0].orientation)
        return datasets
    # Frames of another echo lie at the same places, which highdicom does not take.
    groups = datasets[0].PerFrameFunctionalGroupsSequence
    datasets[0].PerFrameFunctionalGroupsSequence = [groups[number] for number in numbers]
    datasets[0].NumberOfFrames = len(numbers)
    return datasets


def _refer_to_file(segmentation: Dataset, series: Series) -> None:
    """Have references to the series' frames, in the order of its slices, be to the frames of its file."""
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence", ()):
            for source in derivation.SourceImageSequence:
                header = series.slices[int(source.ReferencedFrameNumber) - 1]
                source.ReferencedFrameNumber = (header.frame or 0) + 1


def _read(file: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        dataset = dcmread(file, stop_before_pixels=True)
    except (OSError, InvalidDicomError) as error:
        raise DicomError(f"{file}: cannot be read again; the segmentation needs the study's files") from error
    for name in _EXPECTED:
        if name not in dataset or not _is_valid(dataset, name):
            setattr(dataset, name, None)
    if dataset.get("SpecificCharacterSet"):
        _to_utf8(dataset)
    elif "SpecificCharacterSet" in dataset:
        del dataset.SpecificCharacterSet
    return dataset


def _to_utf8(dataset: Dataset) -> None:
    """Have all text of a dataset written in UTF-8: highdicom does not take all the character sets that there are."""
    from pydicom.charset import convert_encodings, decode_element

    encodings = convert_encodings(dataset.SpecificCharacterSet)
    for tag in list(dataset.keys()):
        with suppress(Exception):  # a broken value, of which pydicom may say anything, and which may not be needed
            element = dataset[tag]
            if element.VR != "SQ":
                decode_element(element, encodings)
            for item in element.value if element.VR == "SQ" else ():
                item.decode()
    dataset.SpecificCharacterSet = "ISO_IR 192"


def _is_valid(dataset: Dataset, name: str) -> bool:
    """Tell whether a header has a value that the standard allows; highdicom copies no other."""
    from pydicom.valuerep import DA, TM

    value = dataset[name].value
    if not value:
        return True
    if name == "PatientSex":
        return value in _SEXES
    kind = {"DA": DA, "TM": TM}.get(dataset[name].VR)
    try:
        return kind is None or kind(value) is not None
    except (ValueError, TypeError):
        return False


def _segmentation(sources: list[Dataset], pixels: NDArray[np.bool_], made: str) -> Dataset:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    from napari_ddmd import __version__

    algorithm = hd.AlgorithmIdentificationSequence(
        name=_NAME, version=__version__, family=codes.cid7162.ArtificialIntelligence
    )
    lesion = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=made,
        algorithm_identification=None if made == "MANUAL" else algorithm,
        anatomic_regions=[codes.SCT.Brain],
        display_color=hd.color.CIELabColor(*_COLOR),
    )
    # What scanners and anonymisers left in the names of people is not ours to remark on.
    with hushed():
        return hd.seg.Segmentation(
            source_images=sources,
            pixel_array=pixels,
            segmentation_type="BINARY",
            segment_descriptions=[lesion],
            series_instance_uid=hd.UID(),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=_NAME,
            manufacturer_model_name=_NAME,
            software_versions=__version__,
            device_serial_number=__version__,
            content_label="LESION",
            content_description="Lesions of the brain; for research use only",
            series_description="Lesion segmentation (research use only)",
            omit_empty_frames=True,
        )
