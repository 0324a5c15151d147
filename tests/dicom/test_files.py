from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_ddmd.dicom import files
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


@pytest.mark.parametrize("name", ["brain.nii.gz", "Study_12345678_mask.nii.gz", "Study_12345678_inter.nii.gz"])
def test_a_brain_mask_and_results_may_lie_beside_a_study(writer: StudyWriter, name: str) -> None:
    writer.series(flat())
    (writer.folder / name).write_bytes(b"")
    assert is_study(writer.folder)


def test_a_disc_with_a_viewer_is_a_study(writer: StudyWriter) -> None:
    place = writer.folder / "AUTORUN" / "LIBRARY"
    place.mkdir(parents=True)
    for number in range(300):
        (place / f"{number:03d}.dll").write_text("")
        (place.parent / f"{number:03d}.txt").write_text("")
    (writer.folder / "READ.ME").write_text("")
    StudyWriter(writer.folder / "DICOM" / "PAT00001").series(flat())
    assert is_study(writer.folder)


def test_only_so_much_of_a_huge_folder_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Path] = []
    monkeypatch.setattr(files, "is_dicom", looked_at.append)
    for number in range(300):
        (tmp_path / f"{number:03d}" / "deep").mkdir(parents=True)
        for name in range(8):
            (tmp_path / f"{number:03d}" / f"{name}.txt").write_text("")
    assert not is_study(tmp_path)
    assert len(looked_at) <= 1200


@pytest.mark.skipif(os.name != "posix", reason="links need no rights on POSIX alone")
def test_a_link_back_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert not is_study(tmp_path)


def test_a_large_folder_of_other_files_is_not_searched_through(writer: StudyWriter) -> None:
    place = writer.series(flat())
    for number in range(200):
        (place / f"A{number:03d}.txt").write_text("")
    assert not is_study(writer.folder)
    (place / "A000.txt").unlink()
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
