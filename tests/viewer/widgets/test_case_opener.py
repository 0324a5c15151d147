from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_ddmd.case import MODALITIES, Case, CaseError, load_case
from napari_ddmd.viewer.case_choice import open_cases
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.dicom_opener import DicomOpener
from napari_ddmd.viewer.layer_tag import is_of
from napari_ddmd.viewer.widgets import case_opener
from napari_ddmd.viewer.widgets.case_opener import CaseOpener


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def studies(qtbot: QtBot) -> DicomOpener:
    parent = QWidget()
    qtbot.addWidget(parent)
    return DicomOpener(parent)


@pytest.fixture
def opener(viewer: ViewerModel, studies: DicomOpener) -> CaseOpener:
    return CaseOpener(viewer, studies, studies)


def wait(opener: CaseOpener, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not opener._waiting, timeout=20_000)


def test_a_case_that_is_asked_for_twice_is_opened_once(
    opener: CaseOpener, viewer: ViewerModel, small_case_folder: Path, qtbot: QtBot
) -> None:
    opener.open(small_case_folder)
    opener.open(small_case_folder)
    wait(opener, qtbot)
    assert len(viewer.layers) == len(MODALITIES) + 1


def test_what_came_in_by_another_way_meanwhile_is_completed(
    opener: CaseOpener, viewer: ViewerModel, small_case_folder: Path, qtbot: QtBot
) -> None:
    opener.open(small_case_folder)
    case = load_case(small_case_folder)
    for data, arguments, kind in case_layers(case)[:3]:  # by napari's reader
        viewer.layers.append(Layer.create(data, arguments, kind))
    wait(opener, qtbot)
    assert sorted(layer.name for layer in viewer.layers) == sorted([*MODALITIES, "expert mask"])
    assert all(is_of(layer, case) for layer in viewer.layers)


def test_a_case_is_open_before_the_next_is_read(
    opener: CaseOpener,
    viewer: ViewerModel,
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there: list[int] = []
    read = case_opener._read

    def noted(path: Path) -> object:
        there.append(len(open_cases(viewer.layers)))
        return read(path)

    monkeypatch.setattr(case_opener, "_read", noted)
    for name in ("Case_1", "Case_2"):
        opener.open(write_small_case(tmp_path / name))
    wait(opener, qtbot)
    assert there == [0, 1]


def test_the_series_of_a_study_are_asked_for_and_what_waits_comes_after(
    opener: CaseOpener,
    studies: DicomOpener,
    viewer: ViewerModel,
    small_case_folder: Path,
    case: Case,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(case_opener, "is_study", lambda path: path.name.startswith("study"))
    monkeypatch.setattr(studies, "choose", asked.append)
    places = [tmp_path / f"study {number}" for number in range(3)]
    for place in (*places, small_case_folder):
        opener.open(place)
    for number, end in enumerate(
        (
            studies.left.emit,
            lambda: studies.failed.emit(CaseError("no series")),
            lambda: studies.opened.emit([]),
        )
    ):
        qtbot.waitUntil(lambda number=number: asked == places[: number + 1], timeout=10_000)
        assert len(viewer.layers) == 0
        end()
    wait(opener, qtbot)
    assert len(viewer.layers) == len(MODALITIES) + 1


def test_a_case_that_is_added_beside_ends_no_other(
    opener: CaseOpener, viewer: ViewerModel, small_case_folder: Path, case: Case, qtbot: QtBot
) -> None:
    opener.open(small_case_folder)
    opener.add(case_layers(case))
    assert opener._waiting == [small_case_folder]
    assert open_cases(viewer.layers) == [case]
    wait(opener, qtbot)
    assert open_cases(viewer.layers) == [case], "it is the same one"


def test_an_error_while_layers_are_added_holds_up_nothing(
    opener: CaseOpener, small_case_folder: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    opener._waiting = [small_case_folder]
    monkeypatch.setattr(ViewerModel, "add_layer", fail)
    with pytest.raises(MemoryError):
        opener._on_read(case_layers(case))
    assert not opener._waiting
