from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QApplication

from napari_ddmd.case import Case
from napari_ddmd.case.guards import Finding, Kind
from napari_ddmd.cut import Cut
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.widgets import caution_bar
from napari_ddmd.viewer.widgets.caution_bar import CautionBar
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.results import slice_result

EMPTY = "there is nothing to segment; give images of the brain."


@pytest.fixture
def bar(qapp: QApplication, qtbot: QtBot) -> CautionBar:
    bar = CautionBar(Desk(ViewerModel()))
    qtbot.addWidget(bar)
    return bar


@pytest.mark.fault("Wrong use")
def test_what_is_wrong_is_said_when_the_case_is_chosen(bar: CautionBar, case: Case, qtbot: QtBot) -> None:
    assert bar.isHidden()
    bar._desk.set_case(case)
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)

    assert bar.text().startswith("⚠ The voxels measure 3×2×2 mm")
    assert bar.text().endswith(EMPTY)
    assert len(bar.text().splitlines()) == 2
    bar._desk.set_case(None)
    assert bar.isHidden()


def test_that_the_model_was_trained_on_the_patient_is_said(
    bar: CautionBar, case: Case, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caution_bar, "_findings", lambda _case: ())
    with qtbot.waitSignal(bar.looked):
        bar._desk.set_case(dataclasses.replace(case, warnings=()))
    assert bar.isHidden()
    for cases, is_said in ((["Small_001"], True), (["Other_001"], False)):
        bar._desk.bundle = dataclasses.replace(tiny_bundle, provenance={"training_cases": cases})
        bar.show_again()
        assert bar.text().startswith("⚠ The model untrained 0 was trained on this patient;") is is_said


def test_the_model_of_the_results_is_asked_too(
    bar: CautionBar, case: Case, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caution_bar, "_findings", lambda _case: ())
    desk, case = bar._desk, dataclasses.replace(case, warnings=())
    with qtbot.waitSignal(bar.looked):
        desk.set_case(case)
    desk.bundle = dataclasses.replace(tiny_bundle, provenance={"training_cases": ["Small_001"]})
    results = desk.results_of(case)
    results.begin()
    results.add(Recipe(case, tiny_bundle.sha256, Sampling(), cut=Cut(min_part=0.1)), slice_result(case, 4))
    results.settle()
    desk.bundle = dataclasses.replace(tiny_bundle, sha256="f" * 64, provenance={})
    desk.results_changed.emit()
    assert bar.text().startswith("⚠ The model untrained 0 was trained on this patient;")
    recipe = Recipe(case, tiny_bundle.sha256, Sampling(), cut=Cut(min_part=0.1))
    assert Desk(desk.viewer).model_of(recipe).name == "untrained", "the panel was closed and opened again"


def test_the_window_does_not_wait_for_it(
    bar: CautionBar, case: Case, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[Any] = []

    def look(case: Case) -> tuple[Finding, ...]:
        threads.append(threading.current_thread())
        return (Finding(Kind.SIZE, f"number {number}") for number in range(5))  # type: ignore[return-value]

    monkeypatch.setattr(caution_bar, "_findings", lambda case: tuple(look(case)))
    bar._desk.set_case(case)
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)

    assert threads
    assert threads[0] is not threading.main_thread()
    assert bar.text().splitlines() == ["⚠ Number 0.", "⚠ Number 1.", "⚠ Number 2.", "⚠ And 2 more."]
    assert bar.toolTip().splitlines()[-1] == "⚠ Number 4."


def test_another_case_has_other_cautions(bar: CautionBar, case: Case, qtbot: QtBot) -> None:
    bar._desk.set_case(case)
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)
    other = dataclasses.replace(case, images=np.full_like(case.images, 7.0))
    with qtbot.waitSignal(bar._guard.done, timeout=20_000):
        bar._desk.set_case(other)
        assert bar.isHidden()

    assert "the same" not in bar.text()
    assert "different values" in bar.toolTip() or EMPTY in bar.toolTip()


def test_remarks_on_the_files_are_there_at_once_and_stay(
    bar: CautionBar, case: Case, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding(Kind.SIZE, "the images are odd")
    monkeypatch.setattr(caution_bar, "_findings", lambda _case: (finding,))
    remarks = (f"{case.name}: has no t2; what is found without it is less sure", str(finding))
    with qtbot.waitSignal(bar._guard.done, timeout=20_000):
        bar._desk.set_case(dataclasses.replace(case, warnings=remarks))
        assert bar.text().startswith("⚠ Has no t2; what is found without it is less sure.")
        assert not bar.isHidden()
    assert bar.text().splitlines() == [
        "⚠ Has no t2; what is found without it is less sure.",  # first, so that it is never cut off
        "⚠ The images are odd.",  # once
    ]
    bar._desk.set_case(None)
    assert bar.isHidden()


@pytest.mark.on_screen
@pytest.mark.fault("Wrong use")
def test_the_panel_shows_it_before_the_run(window: tuple[Any, SegmentationPanel], qtbot: QtBot) -> None:
    _viewer, panel = window
    qtbot.waitUntil(lambda: panel.caution_bar.isVisible(), timeout=20_000)

    assert EMPTY in panel.caution_bar.text()
    for tab in range(panel.tabs.count()):
        panel.tabs.setCurrentIndex(tab)
        assert panel.caution_bar.isVisible()
