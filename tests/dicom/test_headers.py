from __future__ import annotations

import os
import tracemalloc
import zlib
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RTDoseStorage,
)

from napari_ddmd.dicom.headers import read_headers
from tests.dicom.studies import AXIAL, PATIENT, SEQUENCES, StudyWriter, flat


def test_a_header_tells_place_and_sequence(writer: StudyWriter) -> None:
    writer.series(flat((10, 12, 3)), "t2_tirm", ProtocolName="head", MRAcquisitionType="3D", **SEQUENCES["flair"])
    first, second, _third = read_headers(writer.folder).slices

    assert first.orientation == AXIAL
    assert (first.position, second.position) == ((0, 0, 0), (0, 0, 2))
    assert (first.spacing, first.shape, first.frame) == ((2, 2), (12, 10), None)
    facts = first.facts
    assert facts == second.facts
    assert (facts.number, facts.description, facts.protocol, facts.kind) == (1, "t2_tirm", "head", "MR")
    assert (facts.sequence, facts.is_3d, facts.has_agent) == (("SE", "IR"), True, False)
    assert (facts.echo_time, facts.repetition_time, facts.inversion_time) == (120, 9000, 2500)
    assert (facts.study_uid, facts.frame_of_reference) == (writer.study_uid, writer.frame_uid)


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        (("7", "Doe^Jane"), ("7", "DOE^JANE"), True),
        (("7", "Doe^Jane"), ("7 ", "Doe^Jane"), True),
        (("7", "Doe^Jane"), ("7", ""), True),
        (("7", "Doe^Jane"), ("8", "Doe^Jane"), False),
        (("", "Doe^Jane"), ("", "DOE^JANE^"), True),
        (("", "Doe^Jane"), ("", "Roe^Richard"), False),
    ],
)
def test_a_patient_is_known_by_the_number_else_by_the_name(
    tmp_path: Path, one: tuple[str, str], other: tuple[str, str], is_one: bool
) -> None:
    for place, (number, name) in enumerate((one, other)):
        StudyWriter(tmp_path / str(place)).series(flat((6, 6, 1)), PatientID=number, PatientName=name)
    assert (len({header.facts.patient for header in read_headers(tmp_path).slices}) == 1) == is_one


def test_a_patient_whose_number_and_name_were_taken_out_is_not_known(writer: StudyWriter) -> None:
    writer.series(flat((6, 6, 1)), PatientID="", PatientName=None)
    assert read_headers(writer.folder).slices[0].facts.patient == ""


def test_the_patient_is_told_by_a_digest_alone(writer: StudyWriter) -> None:
    writer.series(flat())
    header = read_headers(writer.folder).slices[0]
    assert PATIENT not in repr(header.facts)
    assert len(header.facts.patient) == 64


@pytest.mark.parametrize(("agent", "given"), [("GADOVIST", True), ("none", False), ("", False), (None, False)])
def test_the_contrast_agent(writer: StudyWriter, agent: str | None, given: bool) -> None:
    writer.series(flat(), ContrastBolusAgent=agent)
    assert read_headers(writer.folder).slices[0].facts.has_agent is given


def test_no_voxel_is_needed(writer: StudyWriter) -> None:
    place = writer.series(flat())
    for file in place.iterdir():
        os.truncate(file, file.stat().st_size - 100)
    assert len(read_headers(writer.folder).slices) == 12


def test_what_is_no_image_is_passed_over(writer: StudyWriter) -> None:
    writer.series(flat(), ImagePositionPatient=None)
    writer.series(flat(), Rows=None, SOPClassUID=EnhancedSRStorage)
    (writer.folder / "notes.txt").write_text("no image")
    headers = read_headers(writer.folder)
    assert (headers.slices, headers.unreadable) == ((), ())


def test_unreadable_files_are_named(writer: StudyWriter) -> None:
    place = writer.series(flat())
    damaged = place / "IM0003"
    damaged.write_bytes(damaged.read_bytes()[:160])
    cut = place / "IM0007"
    cut.write_bytes(cut.read_bytes()[:900])
    claims = writer.folder / "image.dcm"
    claims.write_text("no DICOM")
    dataset = dcmread(place / "IM0005")
    dataset.ImageOrientationPatient = None
    dataset.save_as(place / "IM0005")
    headers = read_headers(writer.folder)
    assert set(headers.unreadable) == {damaged, cut, claims, place / "IM0005"}
    assert len(headers.slices) == 9


def test_headers_against_the_standard_are_read(writer: StudyWriter, tmp_path: Path) -> None:
    place = writer.series(flat())
    file = place / "IM0000"
    odd = file.read_bytes().replace(b"DS\x04\x002.0 ", b"DS\x04\x002,0 ").replace(b"20200304", b"yesterda")
    assert b"yesterda" in odd
    file.write_bytes(odd)
    assert len(read_headers(place).slices) >= 11


NOWHERE: dict[str, list[float]] = {
    "ImagePositionPatient 2": [0, 0],
    "ImagePositionPatient NaN": [0, 0, float("nan")],
    "ImagePositionPatient far": [0, 0, 1e9],
    "ImageOrientationPatient 3": [1, 0, 0],
    "ImageOrientationPatient none": [0, 0, 0, 0, 0, 0],
    "ImageOrientationPatient NaN": [float("nan"), 0, 0, 0, 1, 0],
    "ImageOrientationPatient twice": [1, 0, 0, 1, 0, 0],
    "ImageOrientationPatient long": [9, 0, 0, 0, 9, 0],
    "PixelSpacing 1": [2],
    "PixelSpacing none": [0, 2],
    "PixelSpacing back": [-2, 2],
    "PixelSpacing huge": [1e9, 1e9],
    "PixelSpacing infinite": [float("inf"), 2],
}


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("what", NOWHERE)
def test_a_slice_that_is_nowhere_is_named_as_unreadable(writer: StudyWriter, what: str) -> None:
    place = writer.series(flat())
    dataset = dcmread(place / "IM0005")
    with disable_value_validation():
        setattr(dataset, what.split()[0], list(map(str, NOWHERE[what])))
        dataset.save_as(place / "IM0005")
    headers = read_headers(writer.folder)
    assert headers.unreadable == (place / "IM0005",)
    assert len(headers.slices) == 11


@pytest.mark.fault("Bad input")
def test_images_of_which_no_place_is_told_are_named_as_unreadable(writer: StudyWriter) -> None:
    """Seventeen kilobytes of such files made GDCM take 4 GB: it believes the number."""
    place = writer.series(flat())
    for name, frames in (("IM0004", 1), ("IM0005", 300)):
        dataset = dcmread(place / name)
        dataset.NumberOfFrames = frames
        dataset.save_as(place / name)
    headers = read_headers(writer.folder)
    assert headers.unreadable == (place / "IM0005",)
    assert len(headers.slices) == 11


@pytest.mark.parametrize(
    ("tags", "is_passed_over"),
    [
        ({"Modality": "OT", "ImagePositionPatient": None}, True),
        ({"SOPClassUID": MultiFrameGrayscaleWordSecondaryCaptureImageStorage}, True),
        ({"SOPClassUID": RTDoseStorage, "Modality": "RTDOSE"}, True),
        ({"Modality": "OT"}, False),
        ({"Modality": None, "ImagePositionPatient": None}, False),
    ],
)
def test_films_that_lie_nowhere_and_screen_shots_are_passed_over(
    writer: StudyWriter, tags: dict[str, str | None], is_passed_over: bool
) -> None:
    place = writer.series(flat())
    dataset = dcmread(place / "IM0005")
    dataset.NumberOfFrames = 3
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(place / "IM0005")
    headers = read_headers(writer.folder)
    assert headers.unreadable == (() if is_passed_over else (place / "IM0005",))
    assert len(headers.slices) == 11


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("behind", [2**20, 2**30])
def test_a_deflated_file_is_read_unless_it_is_a_bomb(writer: StudyWriter, behind: int) -> None:
    file = writer.series(flat()) / "IM0005"
    dataset = dcmread(file)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(file)
    content = file.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [packer.compress(zlib.decompress(content[start:], -zlib.MAX_WBITS))]
    parts.append(packer.compress(b"\xfc\xff\xfc\xffOB\0\0" + behind.to_bytes(4, "little")))
    parts += [packer.compress(bytes(2**20)) for _ in range(behind // 2**20)]
    file.write_bytes(content[:start] + b"".join(parts) + packer.flush())
    headers = read_headers(writer.folder)
    assert headers.unreadable == ((file,) if behind > 2**28 else ())
    assert len(headers.slices) == 12 - len(headers.unreadable)


@pytest.mark.fault("Bad input")
def test_an_element_of_gigabytes_is_not_read(writer: StudyWriter) -> None:
    """On a disk that keeps no zeros, such a file takes no room."""
    file = writer.series(flat()) / "IM0005"
    content, size = file.read_bytes(), 3 * 2**30
    place = content.find(b"\x20\0\x0d\0UI")
    file.write_bytes(content[:place] + b"\x18\0\x10\0UT\0\0" + size.to_bytes(4, "little"))
    os.truncate(file, place + 12 + size)
    with file.open("ab") as stream:
        stream.write(content[place:])
    tracemalloc.start()
    headers = read_headers(writer.folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert headers.unreadable == (file,)
    assert peak < 2**26
