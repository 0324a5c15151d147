"""A window in which something goes wrong, and what must hold of it afterwards."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot

from napari_ddmd.segment import segment
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.widgets import cost_line
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.fake_gpu import fake_gpu
from tests.viewer.conftest import GatedSegment
from tests.viewer.widgets.conftest import OpenPanel, _no_thread_outlives_the_test, installed, open_panel, pace, window

__all__ = ["OpenPanel", "_no_thread_outlives_the_test", "fake_gpu", "installed", "open_panel", "pace", "window"]

Window = tuple[Any, SegmentationPanel]
FIRST, LAST = 2, 6
SLICES = set(range(FIRST, LAST + 1))


@pytest.fixture(autouse=True)
def errors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in napari itself; the viewer of the tests would raise instead."""
    monkeypatch.setattr(notification_manager, "exit_on_error", False)
    monkeypatch.setattr(notification_manager, "catch_error", True)


@pytest.fixture(autouse=True)
def nothing_is_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run will cost is measured elsewhere."""
    monkeypatch.setattr(cost_line, "foretell", lambda question, measure: cost_line.Cost("", ""))


@pytest.fixture
def real_pipeline(gated: GatedSegment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline itself, under the name that the gate had taken."""
    monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", segment)


def choose(panel: SegmentationPanel, first: int = FIRST, last: int = LAST) -> None:
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((first, last))


def another_seed(panel: SegmentationPanel) -> None:
    panel.sampling_box.seed.setValue(panel.sampling_box.seed.value() + 1)


def begin(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot, *, slices: int = 1) -> None:
    """Start a run, and let some slices come in."""
    before = len(gated.requests)
    gated.gate = type(gated.gate)(0)
    panel.run_bar.button.click()
    qtbot.waitUntil(lambda: len(gated.requests) > before, timeout=10_000)
    if slices:
        gated.allow(slices)
        qtbot.waitUntil(lambda: panel.run_part._come_in == slices, timeout=10_000)


def wait_for_end(panel: SegmentationPanel, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=30_000)


def run_to_end(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot) -> None:
    gated.allow(100)
    panel.run_bar.button.click()
    wait_for_end(panel, qtbot)


def outcome(panel: SegmentationPanel) -> str:
    """What the panel says of the last run, without what has made way for it."""
    text: str = panel.run_bar.status.text()
    return text.split(" The ")[0]


def assert_idle(panel: SegmentationPanel) -> None:
    """Nothing of a run is left in the panel, and all that can be set can be set."""
    assert not panel.controller.is_running
    assert panel.run_part.case is None
    assert panel.run_bar.button.text() == "Run"
    assert panel.run_bar.bar.isHidden()
    for box in (panel.case_box, panel.slice_box, panel.model_box):
        assert box.isEnabled()
    assert panel.sampling_box.isEnabled() == (panel.desk.bundle is not None)
    assert "\n" not in panel.run_bar.status.text()


def assert_consistent(panel: SegmentationPanel, done: set[int]) -> None:
    """The lesion is what the slices that came in say, but for those that the user painted on."""
    results = panel.results
    assert results is not None
    assert results.done == done
    if results.volumes is None:
        return
    mask = results.volumes.mask(results.threshold)
    for index in range(len(mask)):
        if index not in done:
            assert not results.volumes.probability[index].any()
            assert not mask[index].any()
        if index not in results.lesion.edited_slices and results.lesion.is_shown:
            np.testing.assert_array_equal(results.lesion.data[index], mask[index])


def assert_next_run_works(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot) -> None:
    """All that the panel has to say after it is that it is done, and what has made way for it."""
    assert_idle(panel)
    another_seed(panel)
    choose(panel)
    assert panel.run_bar.button.isEnabled()
    run_to_end(panel, gated, qtbot)
    assert outcome(panel) == f"Done: {len(SLICES)} slices."
    assert_idle(panel)
    assert_consistent(panel, SLICES)
