from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_ddmd.case import MODALITIES, CaseWarning, load_case
from napari_ddmd.cli import main
from napari_ddmd.import_dicom import _MODALITIES
from napari_ddmd.whole_files import PREFIX, sweep
from tests.dicom.studies import StudyWriter, flat
from tests.test_outputs import failing
from tests.writers import contents

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


def test_a_study_that_lacks_a_modality_becomes_a_case_where_that_is_allowed(tmp_path: Path, capsys: Captured) -> None:
    writer = StudyWriter(tmp_path / "study")
    there = [name for name in MODALITIES if name != "t2"]
    writer.four({name: flat(value=100 + 50 * place, spacing=1) for place, name in enumerate(there)})
    arguments = ["import-dicom", str(writer.folder), str(tmp_path / "Case_1")]
    assert main(arguments) == 2
    fault = "no series was recognised as T2; choose the series by hand, or go on without it with --allow-missing"
    assert fault in capsys.readouterr().err
    assert not (tmp_path / "Case_1").exists()
    assert main([*arguments, "--allow-missing"]) == 0
    assert ": has no t2; what is found without it is less sure" in capsys.readouterr().err
    assert sorted(file.name for file in (tmp_path / "Case_1").iterdir()) == sorted(
        f"Case_1_{name}.nii.gz" for name in there
    )
    with pytest.warns(CaseWarning, match="has no t2"):
        case = load_case(tmp_path / "Case_1", allow_missing=True)
    assert [bool(image.any()) for image in case.images] == [True, True, False, True]


def test_series_are_listed_and_nothing_is_written(study: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["import-dicom", str(study), "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["study"]


def test_several_examinations_are_told_and_listed(study: Path, tmp_path: Path, capsys: Captured) -> None:
    later = StudyWriter(study / "later", patient="Roe^Richard", count=10)
    later.series(flat(), "t2_tse_tra", StudyDate="20210304")
    assert main(["import-dicom", str(study), str(tmp_path / "Case_1")]) == 0
    told = "the folder holds 2 examinations of 2 patients; one that is not the latest was taken"
    assert f"warning: {told}; --list shows which series are of which\n" in capsys.readouterr().err
    assert main(["import-dicom", str(study), "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[5]] == ["examination 1 (20200304, patient 1):", "examination 2 (20210304, patient 2):"]
    assert lines[6].split()[:2] == ["11", "-"]
    assert "Roe" not in "".join(lines)


def test_several_names_are_told_without_them(tmp_path: Path, capsys: Captured) -> None:
    writer = StudyWriter(tmp_path / "study")
    for name in MODALITIES:
        writer.four({name: flat(spacing=1)}, PatientName="Roe^Max" if name == "t2" else "Doe^Jane")
    for words in (["--list"], [str(tmp_path / "Case_1")]):
        assert main(["import-dicom", str(writer.folder), *words]) == 0
        told = capsys.readouterr().err
        assert told.count("warning: the series that were taken bear 2 patients' names: ") == 1
        assert "doe" not in told.casefold()
        assert "roe" not in told.casefold()


@pytest.mark.fault("Bad input")
def test_what_a_study_says_cannot_move_the_cursor(tmp_path: Path, capsys: Captured) -> None:
    writer = StudyWriter(tmp_path / "study")
    writer.series(flat(), "T1\x1b[2J")
    assert main(["import-dicom", str(writer.folder), "--list"]) == 0
    listed = capsys.readouterr().out
    assert "\x1b" not in listed
    assert r"T1\x1b[2J" in listed


def test_guesses_are_corrected(study: Path, tmp_path: Path) -> None:
    arguments = ["--series", "t2=4", "--series", "FLAIR=3"]
    assert main(["import-dicom", str(study), str(tmp_path / "Case_1"), *arguments]) == 0
    assert len(list((tmp_path / "Case_1").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give the folder DIR"),
        (["out", "--series", "t9=1"], "'t9=1' is not MODALITY=NUMBER, such as t1ce=7"),
        (["out", "--series", "t1=1", "--series", "T1=2"], "--series gives t1 twice; give one number"),
        (["out", "--series", "t1=9"], "no series with number 9"),
        (["out", "--brain-mask", "nowhere.nii"], "nowhere.nii: no such file; check the path of the brain mask"),
        (["out", "--brain-mask", "study"], "study: is a folder; give the NIfTI file of the brain mask"),
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


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("command", ["import-dicom", "sample-case"])
@pytest.mark.parametrize(("place", "why"), [("words.txt/x", "Not a directory"), ("n" * 300, "File name too long")])
def test_a_place_that_there_cannot_be_is_one_line_before_the_work(
    command: str, place: str, why: str, study: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.synthetic.write_case", None)
    monkeypatch.setattr("napari_ddmd.dicom.load.load_study", None)
    (tmp_path / "words.txt").touch()
    words = [command, *([str(study)] if command == "import-dicom" else []), str(tmp_path / place)]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"napari-ddmd: {tmp_path / place}: cannot be written ({why}); choose a")
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["words.txt"]


@pytest.mark.fault("Bad input")
def test_a_study_whose_name_there_cannot_be_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    assert main(["import-dicom", str(tmp_path / ("n" * 300)), "--list"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("no such folder; choose the folder of a DICOM study")


@pytest.mark.fault("Bad input")
def test_a_file_of_a_study_is_no_folder(study: Path, tmp_path: Path, capsys: Captured) -> None:
    file = next(study.rglob("IM0000"))
    assert main(["import-dicom", str(file), str(tmp_path / "Case_1")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"napari-ddmd: {file}: not a folder; choose the folder of a DICOM study"


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("command", ["import-dicom", "sample-case"])
def test_what_a_killed_command_left_is_told_and_removed_at_the_next_start(
    command: str, study: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.synthetic.write_case", lambda folder, seed: folder)
    left = tmp_path / f"{PREFIX}x"
    left.mkdir()
    (left / ".owner").touch()
    (left / "Case_1").mkdir()
    assert main([command, *([str(study)] if command == "import-dicom" else []), str(tmp_path / "Case_1")]) == 0
    assert "a save was cut off here; what was unfinished is removed (Case_1)" in capsys.readouterr().err
    assert not left.exists()


@pytest.mark.torture
@pytest.mark.fault("Output whole or absent")
def test_a_disk_that_is_full_at_any_operation_is_one_line_and_leaves_nothing(
    study: Path, tmp_path: Path, capsys: Captured, record_property: Callable[[str, object], None]
) -> None:
    place, number, hits = tmp_path / "cases", 0, [0]
    place.mkdir()
    while hits:
        number += 1
        with failing(place, OSError(errno.ENOSPC, "No space left on device"), number, lasts=False) as hits:
            status = main(["import-dicom", str(study), str(place / "Case_1")])
        printed = capsys.readouterr()
        # What could not even be removed is, and is said, at the next start.
        was_left = any(place.glob(f"{PREFIX}*"))
        if status:
            assert (status, printed.out) == (2, "")
            assert "No space left on device" in printed.err.splitlines()[-1]
            assert contents(place) == {}
            assert main(["import-dicom", str(study), str(place / "Case_1")]) == 0
            assert ("a save was cut off here" in capsys.readouterr().err) == was_left
        else:
            sweep(place)
        assert len(load_case(place / "Case_1").images) == 4
        shutil.rmtree(place / "Case_1")
        assert list(place.iterdir()) == []
    assert number > 20
    record_property("faults", number - 1)


def test_without_the_libraries_it_says_what_to_install(
    study: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert main(["import-dicom", str(study), str(tmp_path / "Case_1")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('pip install -e ".[dicom]" (in the project\'s folder)')
