from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import EnhancedSRStorage

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
