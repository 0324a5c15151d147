"""All cases at fault are named at once, each in a line that says what to do here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_ddmd.case import CaseFiles
from src_training.__main__ import main
from src_training.cases import FaultyCasesError, labelled_cases

from .conftest import PATIENTS, tiny_words, write_patient


@pytest.fixture
def faulty(cohort: Path, tmp_path: Path) -> Path:
    """Good cases, one without a mask and an image, and three at fault whose voxels need not be read for that."""
    data = shutil.copytree(cohort, tmp_path / "data")
    for name in ("Ambiguous", "Incomplete", "OtherGrid", "Unlabelled"):
        write_patient(data / name, 1)
    shutil.copy(data / "Ambiguous" / "Ambiguous_t1.nii.gz", data / "Ambiguous" / "again_t1.nii.gz")
    (data / "Incomplete" / "Incomplete_t1ce.nii.gz").unlink()
    (data / "OtherGrid" / "OtherGrid_t2.nii.gz").write_bytes(b"no image")
    for kind in ("seg", "t2"):
        (data / "Unlabelled" / f"Unlabelled_{kind}.nii.gz").unlink()
    return data


@pytest.mark.parametrize("stage", [(), ("prepare",), ("--dry-run",)], ids=["all", "prepare", "census"])
def test_all_are_named_before_a_voxel_is_read(
    stage: tuple[str, ...],
    faulty: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("prepare", "census"):
        monkeypatch.setattr(f"src_training.{module}.load_case", None)
    assert main([*stage, *tiny_words(faulty, tmp_path / "run")]) == 2
    unlabelled, *said = capsys.readouterr().err.splitlines()

    assert unlabelled == "Unlabelled: no mask, left out"
    places = ("Ambiguous: 2 files for t1", "Incomplete: no image for t1ce", "OtherGrid/OtherGrid_t2.nii.gz: ")
    assert [line.startswith(f"src_training: {faulty}/{place}") for line, place in zip(said, places, strict=False)] == [
        True,
        True,
        True,
    ]
    assert said[3:] == [
        "src_training: 3 cases are at fault; mend each as its line says, or move the case out of the data folder"
    ]
    assert not any("allow-missing" in line for line in said)
    assert not (tmp_path / "run").exists()


def test_a_single_one_is_one_line(faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("Ambiguous", "OtherGrid"):
        shutil.rmtree(faulty / name)
    assert main(tiny_words(faulty, tmp_path / "run")) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"src_training: {faulty / 'Incomplete'}: no image for t1ce; add it, or rename to end in _t1ce.nii.gz, "
        "or move the case out of the data folder"
    ]


@pytest.mark.parametrize("words", [["prepare"], ["--dry-run"], ["evaluate", "--bundle", "compact"], []])
@pytest.mark.parametrize("data", ["data", "elsewhere"])
def test_a_folder_that_is_not_there_is_asked_for(
    words: list[str], data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, *([] if data == "data" else ["--data", data])]) == 2
    assert capsys.readouterr().err == (
        f"src_training: {tmp_path / data}: no such folder; say with --data DIR where the cases are\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_cases_is_to_be_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    assert main(["prepare", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == (
        f"src_training: {tmp_path / 'data'}: holds no image of a BRATS case; choose the folder with its NIfTI files, "
        "or give another folder with --data\n"
    )


def test_who_is_not_wanted_may_be_at_fault(faulty: Path) -> None:
    cases: list[CaseFiles] = labelled_cases(faulty, is_wanted=lambda name: name in PATIENTS)
    assert {files.name for files in cases} == {*PATIENTS, "Incomplete", "OtherGrid"}


def test_very_many_do_not_fill_the_screen() -> None:
    error = FaultyCasesError([f"case {number}: is broken" for number in range(25)])
    assert len(error.lines) == 22
    assert error.lines[20] == "and 5 more"
    assert error.lines[21].startswith("25 cases are at fault; ")
