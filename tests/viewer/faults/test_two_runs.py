"""Two runs at once: in one panel there is one, whatever is pressed; two windows do not disturb each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool

from napari_ddmd.case import Case
from napari_ddmd.segment import segment
from napari_ddmd.viewer.widgets import model_box
from tests.viewer.conftest import GatedSegment
from tests.viewer.faults.conftest import (
    SLICES,
    OpenPanel,
    Window,
    assert_consistent,
    assert_idle,
    assert_next_run_works,
    begin,
    choose,
    wait_for_end,
)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_a_second_run_is_not_begun_before_the_first_has_ended(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    _viewer, panel = window
    choose(panel)
    begin(panel, gated, qtbot)
    panel.run()
    panel.run_when_ready()
    panel.run_part.start([3], panel.sampling_box.sampling)  # chosen slices alone
    panel.run_part.start([0, 1], dataclasses.replace(panel.sampling_box.sampling, seed=99))
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert len(gated.requests) == 1
    assert panel.run_bar.status.text() == f"Done: {len(SLICES)} slices."
    assert_consistent(panel, SLICES)
    assert notifications == []
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_the_key_and_the_double_click_that_start_a_run_stop_it_the_second_time(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    _viewer, panel = window
    button = panel.run_bar.button
    choose(panel)
    for press in (
        lambda: qtbot.keyClick(button, Qt.Key.Key_Space),
        lambda: qtbot.mouseClick(button, Qt.MouseButton.LeftButton),
    ):
        press()
        assert button.text() == "Cancel"
        press()
        assert button.text() == "Cancelling…"
        press()  # the button is disabled
        wait_for_end(panel, qtbot)
        assert panel.run_bar.status.text().startswith("Cancelled: 0 of 5")
        assert_idle(panel)
    assert notifications == []
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_two_windows_run_at_once_and_get_what_each_would_get_alone(
    open_panel: OpenPanel, case: Case, real_pipeline: None, qtbot: QtBot, tiny_model_folder: Path
) -> None:
    other = dataclasses.replace(case, name="Other", images=case.images[:, ::-1].copy())
    windows = [open_panel(one) for one in (case, other)]
    for _viewer, panel in windows:
        choose(panel)
        panel.sampling_box.samples.setValue(2)
    for _viewer, panel in windows:
        panel.run_bar.button.click()
    for (_viewer, panel), one in zip(windows, (case, other), strict=True):
        wait_for_end(panel, qtbot)
        assert panel.run_bar.status.text() == f"Done: {len(SLICES)} slices."
        assert_consistent(panel, SLICES)
        assert panel.desk.volumes is not None
        bundle = model_box._load(tiny_model_folder)
        for result in segment(one, bundle, slices=sorted(SLICES), samples=2):
            np.testing.assert_array_equal(panel.desk.volumes.probability[result.index], result.probability)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_on_one_core_a_run_keeps_no_save_waiting(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, tmp_path: Path
) -> None:
    pool = QThreadPool.globalInstance()
    before = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    try:
        _viewer, panel = open_panel(case)
        choose(panel)
        begin(panel, gated, qtbot, slices=2)
        qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
        with qtbot.waitSignal(panel.save_button.mask_saved, timeout=20_000):
            panel.save_button.save(tmp_path, ["mask"])
        assert panel.controller.is_running
        gated.allow(100)
        wait_for_end(panel, qtbot)
    finally:
        pool.setMaxThreadCount(before)
    assert_consistent(panel, SLICES)
