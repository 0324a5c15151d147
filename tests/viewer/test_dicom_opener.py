from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.dicom import Series, Study, find_study
from napari_ddmd.dicom.origin import origin_of
from napari_ddmd.viewer import dicom_opener
from napari_ddmd.viewer.dicom_opener import DicomOpener
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.widgets.dicom_dialog import StudyChoice
from tests.dicom.studies import StudyWriter, flat


@pytest.fixture(autouse=True)
def _no_thread_outlives_the_test() -> Iterator[None]:
    yield
    assert QThreadPool.globalInstance().waitForDone(20_000)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    writer = StudyWriter(tmp_path / "s")
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    return writer.folder


def exchanged(study: Study) -> dict[str, Series]:
    by_number = {one.facts.number: one for one in study.series}
    return dict(zip(MODALITIES, (by_number[number] for number in (2, 1, 3, 4)), strict=True))


@pytest.fixture
def opener(qtbot: QtBot) -> DicomOpener:
    parent = QWidget()
    qtbot.addWidget(parent)
    return DicomOpener(parent)


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[StudyChoice | None]:
    """What the person in front of the dialog answers: T1 and T1ce exchanged, until a test says otherwise."""
    answers: list[StudyChoice | None] = []

    def choose(_parent: QWidget, study: Study) -> StudyChoice | None:
        return answers.pop() if answers else StudyChoice(exchanged(study))

    monkeypatch.setattr(dicom_opener, "choose_series", choose)
    return answers


def test_what_is_chosen_is_loaded(
    opener: DicomOpener, study: Path, chosen: list[Any], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    opener.told.connect(told.append)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_arguments: str(study))
    with qtbot.waitSignal(opener.opened, timeout=30_000) as signal:
        opener.ask()
    (layers,) = signal.args
    tag = tag_of(layers[0][1]["metadata"])
    assert tag is not None
    origin = origin_of(tag.case)
    assert origin is not None
    assert [series.facts.number for series in origin.series.values()] == [2, 1, 3, 4]
    # What a person chose is not called a guess.
    assert not [remark for remark in tag.case.warnings if "recognised" in remark]
    assert told == ["Looking for DICOM series", "", *(f"Reading {m}" for m in ("T1", "T1ce", "T2", "FLAIR")), ""]


def test_cancel_opens_nothing(opener: DicomOpener, study: Path, chosen: list[Any], qtbot: QtBot) -> None:
    chosen.append(None)
    opened: list[Any] = []
    opener.opened.connect(opened.append)
    with qtbot.waitSignals([opener.told, opener.told], timeout=30_000):
        opener.choose(study)
    qtbot.wait(200)
    assert opened == []


def test_a_brain_mask_takes_the_skull_away(
    opener: DicomOpener, study: Path, chosen: list[Any], tmp_path: Path, qtbot: QtBot
) -> None:
    def case_of(brain_mask: Path | None) -> Case:
        chosen.append(StudyChoice(exchanged(find_study(study)), brain_mask))
        with qtbot.waitSignal(opener.opened, timeout=30_000) as signal:
            opener.choose(study)
        tag = tag_of(signal.args[0][0][1]["metadata"])
        assert tag is not None
        return tag.case

    whole = case_of(None)
    mask = np.zeros(whole.grid.source_shape, np.uint8)
    mask[:, 4:9, :] = 1
    nibabel.save(nibabel.Nifti1Image(mask, whole.grid.affine), tmp_path / "brain.nii.gz")
    stripped = case_of(tmp_path / "brain.nii.gz")
    assert 0 < np.count_nonzero(stripped.images) < np.count_nonzero(whole.images)
    assert any("outside the brain mask" in remark for remark in stripped.warnings)
    assert not any("skull-stripped" in remark for remark in stripped.warnings)


def test_a_brain_mask_that_is_not_there_is_told(
    opener: DicomOpener, study: Path, chosen: list[Any], tmp_path: Path, qtbot: QtBot
) -> None:
    chosen.append(StudyChoice(exchanged(find_study(study)), tmp_path / "none.nii.gz"))
    with qtbot.waitSignal(opener.failed, timeout=30_000) as signal:
        opener.choose(study)
    assert "none.nii.gz" in str(signal.args[0])


def test_a_folder_without_a_study_is_told(opener: DicomOpener, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(opener.failed, timeout=30_000) as signal:
        opener.choose(tmp_path)
    assert "holds no DICOM images" in str(signal.args[0])


def test_a_window_shows_what_is_chosen(
    make_napari_viewer: Any, study: Path, chosen: list[Any], qtbot: QtBot, notifications: list[Notification]
) -> None:
    viewer = make_napari_viewer()
    opener = dicom_opener.open_in_window(viewer, study)
    with qtbot.waitSignal(opener.opened, timeout=30_000) as signal:
        pass
    tag = tag_of(signal.args[0][0][1]["metadata"])
    assert tag is not None
    origin = origin_of(tag.case)
    assert origin is not None
    assert [series.facts.number for series in origin.series.values()] == [2, 1, 3, 4]
    assert len(viewer.layers) == 4
    assert not any("recognised" in note.message for note in notifications)


def test_no_folder_no_study(opener: DicomOpener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_arguments: "")
    told: list[str] = []
    opener.told.connect(told.append)
    opener.ask()
    assert told == []
