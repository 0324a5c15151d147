from __future__ import annotations

import sys
from pathlib import Path

import pytest

from napari_ddmd.case import MODALITIES, load_case
from napari_ddmd.cli import main
from napari_ddmd.import_dicom import _MODALITIES
from tests.dicom.studies import StudyWriter, flat

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    writer = StudyWriter(tmp_path / "study")
    writer.four({name: flat(value=100 + 50 * place, spacing=1) for place, name in enumerate(MODALITIES)})
    return writer.folder


def test_the_modalities_are_those_of_cases() -> None:
    assert _MODALITIES == MODALITIES


def test_a_study_becomes_a_case(study: Path, tmp_path: Path, capsys: Captured) -> None:
    (study / "broken.dcm").write_text("")
    assert main(["import-dicom", str(study), str(tmp_path / "Case_1")]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'Case_1'}\n"
    assert "warning: 1 file could not be read and is left out; --list names them" in printed.err
    assert "warning: the images hold the whole head, and BRATS models expect skull-stripped ones" in printed.err
    assert load_case(tmp_path / "Case_1").images.shape == (4, 12, 14, 12)


def test_series_are_listed_and_nothing_is_written(study: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["import-dicom", str(study), "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["study"]


def test_guesses_are_corrected(study: Path, tmp_path: Path) -> None:
    arguments = ["--series", "t2=4", "--series", "FLAIR=3"]
    assert main(["import-dicom", str(study), str(tmp_path / "Case_1"), *arguments]) == 0
    assert len(list((tmp_path / "Case_1").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the folder DIR"),
        (["out", "--series", "t9=1"], "'t9=1' is not MODALITY=NUMBER, such as t1ce=7"),
        (["out", "--series", "t1=9"], "no series with number 9"),
        (["out", "--brain-mask", "nowhere.nii"], "nowhere.nii: the brain mask cannot be read"),
        (["study"], "not an empty folder"),
    ],
)
def test_faults_are_one_line(
    study: Path, arguments: list[str], message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    assert main(["import-dicom", str(study), *arguments]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not Path("out").exists()


def test_without_the_libraries_it_says_what_to_install(
    study: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert main(["import-dicom", str(study), str(tmp_path / "Case_1")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('pip install "napari-ddmd[dicom]"')
