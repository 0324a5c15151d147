"""A study's folder: some DICOM files, listed, recognised, and loaded as a case."""

from __future__ import annotations

import io
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydicom import Dataset, Sequence
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from fuzz.expect import refusal
from fuzz.mutate import changed_elements
from napari_ddmd.case import MODALITIES, CaseError
from napari_ddmd.dicom import DicomError, accepted, find_study, propose
from napari_ddmd.dicom.convert import listing
from napari_ddmd.dicom.load import load_study
from napari_ddmd.dicom.volume import read_volume

LONGEST = 16_384

_ROWS, _COLUMNS, _SLICES = 4, 5, 2
_FRAMES = 10  # fewer are left out
_BETWEEN = b"\n\n--file--\n\n"
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
_PLACE = Path(_FOLDER.name) / "study"
_ROOT = "1.2.826.0.1.3680043.10.999."


@cache
def seeds() -> list[bytes]:
    """Four multi-frame files, four series on one grid, one series alone, and one with slices of 3 mm."""
    whole = [_multi_frame(series) for series in range(len(MODALITIES))]
    four = [_file(series, number) for series in range(len(MODALITIES)) for number in range(_SLICES)]
    thick = [_file(0, number, SliceThickness=3.0, PixelSpacing=[2.0, 2.0], gap=3.0) for number in range(3)]
    return [_BETWEEN.join(files) for files in (whole, four, four[:_SLICES], thick, whole[:1])]


def run(data: bytes) -> None:
    """Read the files of an input as a study, and make a case of the first four series."""
    shutil.rmtree(_PLACE, ignore_errors=True)
    _PLACE.mkdir()
    for number, content in enumerate(data.split(_BETWEEN)[:20]):
        (_PLACE / f"IM{number:02d}.dcm").write_bytes(content)
    with refusal(DicomError):
        study = find_study(_PLACE)
        proposal = propose(study)
        assert all(len(line.splitlines()) == 1 for line in listing(proposal))
        for series in study.series:
            with refusal(DicomError):
                read_volume(series)
        with refusal(DicomError):
            accepted(proposal)
        with refusal(CaseError):
            case = load_study(dict(zip(MODALITIES, study.series, strict=False)))
            assert np.isfinite(case.images).all()
            assert np.isfinite(case.grid.affine).all()


def mutate(data: bytes, random: Random) -> bytes:
    """Change elements of one file, of all alike, or leave one out or put it in twice."""
    files = data.split(_BETWEEN)
    number, what = random.randrange(len(files)), random.random()
    if what < 0.5:
        files[number] = changed_elements(files[number], random)
    elif what < 0.9:
        # The same change in each: what agrees is stopped by no comparison.
        state = random.getstate()
        for place, content in enumerate(files):
            random.setstate(state)
            files[place] = changed_elements(content, random)
    else:
        files[number : number + 1] = random.choice(([], [files[number]] * 2))
    return _BETWEEN.join(files)


def _file(series: int, number: int, *, gap: float = 1.0, **tags: Any) -> bytes:
    image = _dataset(MRImageStorage, series, number)
    image.ImagePositionPatient = [0.0, 0.0, gap * number]
    image.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    image.PixelSpacing = [1.0, 1.0]
    image.SliceThickness = 1.0
    image.PixelData = _voxels(series, 1)
    for name, value in tags.items():
        setattr(image, name, value)
    return _bytes(image)


def _multi_frame(series: int) -> bytes:
    image = _dataset(EnhancedMRImageStorage, series, 0)
    image.NumberOfFrames = _FRAMES
    image.SharedFunctionalGroupsSequence = Sequence([_group(PixelMeasures={"PixelSpacing": [1.0, 1.0]})])
    image.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = Sequence(
        [_item(ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])]
    )
    image.PerFrameFunctionalGroupsSequence = Sequence(
        [_group(PlanePosition={"ImagePositionPatient": [0.0, 0.0, float(number)]}) for number in range(_FRAMES)]
    )
    image.PixelData = _voxels(series, _FRAMES)
    return _bytes(image)


def _group(**parts: dict[str, Any]) -> Dataset:
    return _item(**{f"{name}Sequence": Sequence([_item(**values)]) for name, values in parts.items()})


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _dataset(kind: str, series: int, number: int) -> Dataset:
    image = _item(
        SOPClassUID=kind,
        SOPInstanceUID=f"{_ROOT}3.{series}.{number}",
        Modality="MR",
        ImageType=["ORIGINAL", "PRIMARY", "M"],
        SeriesDescription=("t1_se_tra", "t1_se_tra_KM", "t2_tse_tra", "t2_tirm_tra_dark-fluid")[series],
        ScanningSequence="SE",
        RepetitionTime=(500.0, 500.0, 4500.0, 9000.0)[series],
        EchoTime=(9.0, 9.0, 95.0, 120.0)[series],
        PatientID="x",
        PatientName="x",
        StudyInstanceUID=f"{_ROOT}1",
        SeriesInstanceUID=f"{_ROOT}2.{series}",
        SeriesNumber=series,
        FrameOfReferenceUID=f"{_ROOT}4",
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=_ROWS,
        Columns=_COLUMNS,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=1,
        RescaleIntercept=0,
        RescaleSlope=1,
    )
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def _voxels(series: int, slices: int) -> bytes:
    return (np.arange(slices * _ROWS * _COLUMNS) + 10 * series + 1).astype("<i2").tobytes()


def _bytes(image: Dataset) -> bytes:
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
