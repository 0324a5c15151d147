from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.case import MODALITIES, Case, CaseError
from napari_ddmd.case.errors import CaseWarning
from napari_ddmd.dicom import Study, accepted, propose
from napari_ddmd.dicom.origin import origin_of
from napari_ddmd.viewer import dicom_opener, dicom_reader, remarks
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.dicom_reader import guessed_case, open_study
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.reader import get_reader
from napari_ddmd.viewer.widgets.case_opener import _read
from napari_ddmd.viewer.widgets.dicom_dialog import StudyChoice
from tests.dicom.studies import PATIENT, StudyWriter, flat


@pytest.fixture
def study(tmp_path: Path) -> Path:
    writer = StudyWriter(tmp_path / "Doe_Jane")
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    (writer.folder / "notes.txt").write_text("no image")
    return writer.folder


@pytest.fixture
def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (dicom_reader, remarks):
        monkeypatch.setattr(module, "viewer_in_window", lambda: None)


def test_the_case_tells_what_was_guessed(study: Path) -> None:
    (study / "broken.dcm").write_text("")
    case = guessed_case(study)
    first, second = case.warnings[:2]
    assert first.startswith("the series were recognised by their headers: T1 is series 1, T1ce is series 2")
    assert second == "1 file could not be read and is left out"
    assert origin_of(case) is not None


def test_another_examination_in_the_folder_is_told(study: Path) -> None:
    StudyWriter(study / "later", patient="Roe^Richard").series(flat(), "t2_tse_tra", StudyDate="20210304")
    told = "the folder holds 2 examinations of 2 patients; one that is not the latest was taken"
    assert told in guessed_case(study).warnings


@pytest.mark.usefixtures("no_window")
def test_a_study_folder_is_read_as_a_case(study: Path) -> None:
    reader = get_reader(str(study))
    assert reader is not None
    with pytest.warns(CaseWarning) as told:
        layers = reader(str(study))
    assert [arguments["name"] for _data, arguments, _kind in layers] == list(MODALITIES)
    tag = tag_of(layers[0][1]["metadata"])
    assert tag is not None
    assert tuple(str(warning.message) for warning in told) == tag.case.warnings
    np.testing.assert_array_equal(layers[2][0], tag.case.images[2])


@pytest.mark.usefixtures("no_window")
def test_nothing_of_the_patient_is_in_the_layers(study: Path) -> None:
    with pytest.warns(CaseWarning):
        layers = open_study(study)
    said = " ".join(repr((arguments["name"], tag_of(arguments["metadata"]).case)) for _d, arguments, _k in layers)  # type: ignore[union-attr]
    for secret in (PATIENT, "Doe", "Jane", "2020", str(study)):
        assert secret not in said


def test_a_study_without_a_modality_says_which(tmp_path: Path) -> None:
    StudyWriter(tmp_path / "s").series(flat(), "t2_tse_tra")
    reader = get_reader(str(tmp_path / "s"))
    assert reader is not None
    with pytest.raises(CaseError, match="no series was recognised as T1 or T1ce or FLAIR"):
        dicom_reader.guessed_case(tmp_path / "s")


def test_a_study_that_lacks_one_modality_opens_and_says_so(tmp_path: Path) -> None:
    there = [modality for modality in MODALITIES if modality != "t1ce"]
    StudyWriter(tmp_path / "s").four(dict.fromkeys(there, flat(spacing=1)))
    case = guessed_case(tmp_path / "s")
    assert any("has no t1ce" in warning for warning in case.warnings)
    assert [arguments["name"] for _data, arguments, _kind in case_layers(case)] == there


def test_without_the_libraries_the_reader_says_what_to_install(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    monkeypatch.setattr(dicom_reader, "viewer_in_window", lambda: None)
    reader = get_reader(str(study))
    assert reader is not None
    with pytest.raises(CaseError, match=r'pip install -e "\.\[dicom\]"'):
        reader(str(study))


def test_a_folder_with_images_of_a_case_is_no_study(study: Path) -> None:
    (study / "t1.nii").write_bytes(b"")
    reader = get_reader(str(study))
    assert reader is not None
    with pytest.raises(CaseError, match="no image for t1ce and t2 and flair"):
        reader(str(study))


@pytest.mark.usefixtures("no_window")
@pytest.mark.filterwarnings("ignore::napari_ddmd.case.errors.CaseWarning")
def test_a_study_opens_with_a_brain_mask_beside_it(study: Path) -> None:
    (study / "brain.nii.gz").write_bytes(b"")
    reader = get_reader(str(study))
    assert reader is not None
    assert len(reader(str(study))) == len(MODALITIES)
    assert _read(study) == study


def test_importing_the_reader_loads_no_dicom_library() -> None:
    # nibabel loads pydicom by itself where it is there.
    code = (
        "import sys, napari_ddmd.viewer.reader\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'SimpleITK', 'highdicom', 'torch'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Study]:
    """The studies that a person was asked about, who takes the guesses where there are four."""
    studies: list[Study] = []

    def choose(_parent: Any, study: Study) -> StudyChoice | None:
        studies.append(study)
        return StudyChoice(accepted(propose(study))) if len(study.series) == len(MODALITIES) else None

    monkeypatch.setattr(dicom_opener, "choose_series", choose)
    return studies


def test_a_study_dropped_on_a_window_is_asked_about_and_comes_in_the_background(
    make_napari_viewer: Any, study: Path, asked: list[Study], qtbot: QtBot, notifications: list[Any]
) -> None:
    viewer = make_napari_viewer()
    assert viewer.open(str(study), plugin="napari-ddmd") == []
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=30_000)
    assert [layer.name for layer in viewer.layers] == list(MODALITIES)
    assert len(asked) == 1
    told = [note.message for note in notifications]
    assert any("skull-stripped" in text for text in told)
    assert not any("recognised by their headers" in text for text in told)


def test_a_study_without_four_recognised_series_can_be_put_right(
    make_napari_viewer: Any, tmp_path: Path, asked: list[Study], qtbot: QtBot, notifications: list[Any]
) -> None:
    StudyWriter(tmp_path / "s").series(flat(), "t2_tse_tra")
    viewer = make_napari_viewer()
    viewer.open(str(tmp_path / "s"), plugin="napari-ddmd")
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=30_000)
    qtbot.wait(200)
    assert len(viewer.layers) == 0  # the person gave up
    assert viewer.window._qt_window.findChildren(dicom_opener.DicomOpener) == []
    assert notifications == []


def test_a_study_that_cannot_be_read_is_told_in_the_window(
    make_napari_viewer: Any,
    study: Path,
    asked: list[Study],
    qtbot: QtBot,
    notifications: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: Any, **_options: Any) -> Case:
        raise CaseError("series 3: a file is damaged")

    monkeypatch.setattr(dicom_opener, "study_case", fail)
    viewer = make_napari_viewer()
    viewer.open(str(study), plugin="napari-ddmd")
    qtbot.waitUntil(lambda: any(note.severity == "error" for note in notifications), timeout=30_000)
    assert notifications[-1].message == "series 3: a file is damaged"
    assert asked
    assert len(viewer.layers) == 0
