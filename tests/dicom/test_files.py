from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_ddmd.dicom.files import all_files, is_dicom, is_study
from tests.dicom.studies import StudyWriter, flat


def test_a_study_is_known_by_its_first_bytes(writer: StudyWriter) -> None:
    place = writer.series(flat())

    assert is_dicom(place / "IM0000")
    assert is_study(writer.folder)
    assert is_study(place)
    assert not is_study(place / "IM0000")
    assert not is_study(writer.folder / "nowhere")


def test_other_folders_are_no_studies(tmp_path: Path, writer: StudyWriter) -> None:
    assert not is_study(tmp_path)
    (tmp_path / "text.dcm").write_text("DICM")
    assert not is_study(tmp_path)
    writer.series(flat())
    (writer.folder / "t1.nii.gz").write_bytes(b"")
    assert not is_study(writer.folder)


def test_a_large_folder_of_other_files_is_not_searched_through(writer: StudyWriter) -> None:
    writer.folder.mkdir()
    for number in range(200):
        (writer.folder / f"a{number:03d}.txt").write_text("")
    writer.series(flat())
    assert not is_study(writer.folder)
    (writer.folder / "a000.txt").unlink()
    assert is_study(writer.folder)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    for name in ("b", "a", ".c", "d/e", ".f/g"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [file.relative_to(tmp_path).as_posix() for file in all_files(tmp_path)] == ["a", "b", "d/e"]


@pytest.mark.fault("Bad input")
@pytest.mark.skipif(os.name != "posix", reason="there are pipes on POSIX alone")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "IM0001")
    assert not is_dicom(tmp_path / "IM0001")
    assert not is_study(tmp_path)
