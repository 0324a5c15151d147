"""Headers of DICOM images: what tells series apart, what they show, and where each slice lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, MutableSequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_ddmd.dicom.errors import require_libraries
from napari_ddmd.dicom.files import all_files, is_dicom, looks_like_dicom
from napari_ddmd.dicom.hushed import hushed
from napari_ddmd.dicom.lengths import is_bomb

if TYPE_CHECKING:
    from pydicom import Dataset

# What is read of a header; the rest of it, and the voxels, are passed over.
_TAGS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "StudyDate",
    "PatientID",
    "PatientName",
    "SpecificCharacterSet",
    "SeriesNumber",
    "SeriesDescription",
    "ProtocolName",
    "ImageType",
    "Modality",
    "ScanningSequence",
    "MRAcquisitionType",
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "DiffusionBValue",
    "EchoPulseSequence",
    "EchoPlanarPulseSequence",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_WORKERS: Final = 4
# Bytes of one element of a header: what claims more is no image of a head.
_LONGEST_ELEMENT: Final = 2**26
# Metres away from the scanner's middle no patient lies; millimetres between voxels.
_FARTHEST: Final = 1e5
_SPACINGS: Final = (1e-3, 1e3)
# Anonymisers round directions to two digits.
_NOT_SQUARE: Final = 0.05
# Multi-frame headers say in words what the others say in letters.
_PULSES: Final = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}

Vector = tuple[float, ...]


@dataclass(frozen=True)
class SeriesFacts:
    """What a header says of its series.

    Parameters
    ----------
    uid, study_uid, frame_of_reference : str
        Identifiers; the frame of reference is empty where there is none.
    patient : str
        A digest of the patient's identifier, or name where there is none, only to tell patients apart; empty where
        both were taken out.
    patient_name : str
        A digest of the name, in whatever letters: anonymised patients may have one identifier. Empty where it was taken
        out.
    study_date : str
        As it stands in the header, only to tell which examination is later.
    number : int or None
        Series number.
    description, protocol : str
        As they stand in the header.
    kind : str
        The DICOM modality, ``"MR"`` for what can be used.
    image_type, sequence : tuple of str
        Image type; scanning sequence (``"SE"``, ``"GR"``, ``"IR"``, ``"EP"``).
    is_3d, has_agent : bool
        Acquired as a volume; a contrast agent is named.
    echo_time, repetition_time, inversion_time, b_value : float or None
        Milliseconds; s/mm².
    """

    uid: str
    study_uid: str
    frame_of_reference: str = ""
    patient: str = ""
    patient_name: str = ""
    study_date: str = ""
    number: int | None = None
    description: str = ""
    protocol: str = ""
    kind: str = "MR"
    image_type: tuple[str, ...] = ()
    sequence: tuple[str, ...] = ()
    is_3d: bool = False
    has_agent: bool = False
    echo_time: float | None = None
    repetition_time: float | None = None
    inversion_time: float | None = None
    b_value: float | None = None


@dataclass(frozen=True)
class SliceHeader:
    """One slice: where it is on disk, and where in the patient.

    Parameters
    ----------
    file : Path
        The file.
    frame : int or None
        Its number, from 0, in a multi-frame file; None in a file of its own.
    uid : str
        Instance identifier, the same in copies of one file.
    position : (3,) tuple of float
        Centre of the first voxel, LPS millimetres.
    orientation : (6,) tuple of float
        Directions of increasing column and of increasing row.
    spacing : (2,) tuple of float
        Millimetres between rows and between columns.
    shape : (2,) tuple of int
        Rows and columns.
    facts : SeriesFacts
        What the header says of the series.
    """

    file: Path
    frame: int | None
    uid: str
    position: Vector
    orientation: Vector
    spacing: Vector
    shape: tuple[int, int]
    facts: SeriesFacts


@dataclass(frozen=True)
class Headers:
    """All headers under a folder.

    Parameters
    ----------
    slices : tuple of SliceHeader
        In the order of the file names.
    unreadable : tuple of Path
        Files that are DICOM, or claim to be by their names, and cannot be read.
    """

    slices: tuple[SliceHeader, ...]
    unreadable: tuple[Path, ...]


def read_headers(folder: Path) -> Headers:
    """Read the headers of all DICOM images under a folder; no voxel is read.

    Files that are not DICOM, and DICOM objects that are no images with a place in the patient (reports, directories,
    screen shots), are passed over.

    Raises
    ------
    DicomError
        If the libraries are not installed.
    """
    require_libraries()
    import pydicom  # here, so that no thread imports it

    files = list(all_files(folder))
    # Scanners break the standard in a thousand harmless ways.
    with hushed(), pydicom.config.disable_value_validation(), ThreadPoolExecutor(_WORKERS, "headers") as pool:
        found = list(pool.map(_read_file, files))
    slices = tuple(header for headers in found for header in headers or ())
    return Headers(slices, tuple(file for file, headers in zip(files, found, strict=True) if headers is None))


def _read_file(file: Path) -> list[SliceHeader] | None:
    """Return the slices of a file: empty if it holds none, None if it should and cannot be read."""
    from pydicom import dcmread

    if not is_dicom(file):
        return None if looks_like_dicom(file) or not _is_open(file) else []
    try:
        if is_bomb(file):
            return None
        dataset = dcmread(file, defer_size=_LONGEST_ELEMENT, stop_before_pixels=True, specific_tags=[*_TAGS])
        if any(getattr(element, "length", 0) > _LONGEST_ELEMENT for element in dataset.values()):
            return None
        return list(_slices(file, dataset)) if _is_whole(dataset) else None
    except Exception:  # damaged headers make pydicom raise almost anything
        return None


def _is_whole(dataset: Dataset) -> bool:
    """Tell whether a header goes on to its end; pydicom takes one that is cut short for a short one."""
    from pydicom.uid import MediaStorageDirectoryStorage

    if dataset.file_meta.MediaStorageSOPClassUID == MediaStorageDirectoryStorage:
        return True
    if not dataset.get("SOPInstanceUID"):
        return False
    return bool(dataset.get("Rows")) or "Image Storage" not in dataset.SOPClassUID.name


def _is_open(file: Path) -> bool:
    try:
        with file.open("rb"):
            return True
    except OSError:
        return False


def _slices(file: Path, dataset: Dataset) -> Iterator[SliceHeader]:
    if not dataset.get("Rows"):
        return
    shared = _first(dataset.get("SharedFunctionalGroupsSequence"))
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        is_placed = bool(dataset.get("ImagePositionPatient"))
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            kind = getattr(dataset.get("SOPClassUID"), "name", "")
            is_other = any(word in kind for word in ("Secondary Capture", "RT Dose"))  # screen shots, doses
            if not is_other and (is_placed or dataset.get("Modality") in ("MR", "", None)):
                raise ValueError(f"{file}: holds several images, and does not say where each lies")
        elif is_placed:
            yield _slice(file, None, dataset, [dataset])
        return
    for number, frame in enumerate(frames):
        groups = [_first(item.value) for part in (frame, shared) if part for item in part if item.VR == "SQ"]
        if any("ImagePositionPatient" in group for group in groups if group):
            yield _slice(file, number, dataset, [dataset, *(group for group in groups if group)])


def _slice(file: Path, frame: int | None, dataset: Dataset, groups: list[Dataset]) -> SliceHeader:
    def value(name: str) -> Any:
        return next((found for group in groups if (found := group.get(name)) not in (None, "")), None)

    def numbers(name: str) -> Vector:
        return tuple(float(number) for number in value(name))

    header = SliceHeader(
        file=file,
        frame=frame,
        uid=str(dataset.SOPInstanceUID),
        position=numbers("ImagePositionPatient"),
        orientation=numbers("ImageOrientationPatient"),
        spacing=numbers("PixelSpacing"),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        facts=_facts(dataset, value),
    )
    if not _has_a_place(header):
        raise ValueError(f"{file}: the header puts the slice nowhere")
    return header


def _has_a_place(header: SliceHeader) -> bool:
    """Tell whether a header's geometry can be that of a slice: finite, with two directions at right angles."""
    if (len(header.position), len(header.orientation), len(header.spacing)) != (3, 6, 2) or min(header.shape) < 1:
        return False
    directions = np.reshape(header.orientation, (2, 3))
    squareness = directions @ directions.T - np.eye(2)  # not a number where a direction is none
    return (
        all(abs(place) <= _FARTHEST for place in header.position)
        and all(_SPACINGS[0] <= size <= _SPACINGS[1] for size in header.spacing)
        and bool((np.abs(squareness) <= _NOT_SQUARE).all())
    )


def _facts(dataset: Dataset, value: Any) -> SeriesFacts:
    def number(*names: str) -> float | None:
        found = next((found for name in names if (found := value(name)) is not None), None)
        if isinstance(found, MutableSequence):
            found = found[0] if found else None
        return None if found is None else round(float(found), 2)

    def text(name: str) -> str:
        return " ".join(str(value(name) or "").split())

    def words(name: str) -> tuple[str, ...]:
        found = value(name) or ()
        return tuple(str(word).upper() for word in ([found] if isinstance(found, str) else found))

    series_number = number("SeriesNumber")
    pulses = _PULSES.get(text("EchoPulseSequence"), ()) + (("EP",) if text("EchoPlanarPulseSequence") == "YES" else ())
    patient, patient_name = _patient(dataset)
    return SeriesFacts(
        uid=str(dataset.SeriesInstanceUID),
        study_uid=str(dataset.StudyInstanceUID),
        frame_of_reference=text("FrameOfReferenceUID"),
        patient=patient,
        patient_name=patient_name,
        study_date=text("StudyDate"),
        number=None if series_number is None else int(series_number),
        description=text("SeriesDescription"),
        protocol=text("ProtocolName"),
        kind=text("Modality"),
        image_type=words("ImageType"),
        sequence=words("ScanningSequence") or pulses,
        is_3d=text("MRAcquisitionType") == "3D",
        has_agent=text("ContrastBolusAgent").lower() not in ("", "none", "no", "n", "0")
        or bool(value("ContrastBolusAgentSequence")),
        echo_time=number("EchoTime", "EffectiveEchoTime"),
        repetition_time=number("RepetitionTime"),
        inversion_time=number("InversionTime", "InversionTimes"),
        b_value=number("DiffusionBValue"),
    )


def _patient(dataset: Dataset) -> tuple[str, str]:
    """Return digests of what tells a patient from others, and of the name, in whatever letters."""
    number = str(dataset.get("PatientID") or "").strip()
    name = " ".join(str(dataset.get("PatientName") or "").replace("^", " ").casefold().split())
    return _digest(f"number {number}" if number else f"name {name}" if name else ""), _digest(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _first(sequence: Any) -> Dataset | None:
    return sequence[0] if sequence else None
