from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_ddmd.case import CaseError, find_case_files
from napari_ddmd.case.advice import instead_of


def put(file: Path, content: bytes = b"") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def test_another_folder_is_asked_for_where_there_is_nothing(tmp_path: Path) -> None:
    put(tmp_path / "readme.txt", b"words")
    assert instead_of(tmp_path) == "choose the folder with its NIfTI files"


def test_the_cases_in_a_folder_are_named(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        put(tmp_path / name / "a_t1.nii.gz")
    assert instead_of(tmp_path) == "choose one of the folders in it (p1, p2)"
    for name in ("p3/images", "p4"):
        put(tmp_path / name / "a_t1.nii")
    assert instead_of(tmp_path) == "choose one of the folders in it (p1, p2, p3, …)"


def test_a_study_is_sent_to_its_command(tmp_path: Path) -> None:
    put(tmp_path / "series" / "1", bytes(128) + b"DICM")
    with pytest.raises(CaseError, match=r"holds no image of a BRATS case; a DICOM study .* napari-ddmd import-dicom"):
        find_case_files(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes (POSIX)")
def test_nothing_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert instead_of(tmp_path) == "choose the folder with its NIfTI files"


def test_not_all_of_a_large_folder_is_looked_at(tmp_path: Path) -> None:
    for number in range(300):
        put(tmp_path / f"{number:03}")
    put(tmp_path / "z", bytes(128) + b"DICM")
    assert instead_of(tmp_path) == "choose the folder with its NIfTI files"
