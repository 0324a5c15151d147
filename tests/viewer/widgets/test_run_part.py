"""When a run makes the first of its layers, and when it must not any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.viewer.conftest import GatedSegment, add_plain_images
from tests.viewer.widgets.conftest import OpenPanel

Window = tuple[Any, SegmentationPanel]


def layers_of(panel: SegmentationPanel) -> list[str]:
    """Names of the layers that a run makes."""
    return [layer.name for layer in panel.desk.viewer.layers if layer.name in set(Role)]


def wait_for_end(panel: SegmentationPanel, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=10_000)


def test_the_first_layer_has_a_turn_of_its_own(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    panel.run()
    assert panel.controller.is_running
    assert Role.LESION not in layers_of(panel)
    qtbot.waitUntil(lambda: Role.LESION in layers_of(panel))
    assert Role.INTER not in layers_of(panel)
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert Role.INTER in layers_of(panel)


def test_a_lesion_that_is_there_is_kept_from_undo_at_once(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    gated.allow(100)
    panel.run()
    wait_for_end(panel, qtbot)
    panel.sampling_box.seed.setValue(7)
    gated.gate.acquire(blocking=False)
    panel.run()
    assert panel.desk.results is not None
    assert panel.desk.results.lesion.is_in_run
    wait_for_end(panel, qtbot)
    assert not panel.desk.results.lesion.is_in_run


def test_a_result_does_not_come_before_the_first_layer(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    part = panel.run_part
    panel.run()
    part._first_layer.setInterval(60_000)  # as if the window were held up
    part._first_layer.start()
    gated.allow(1)
    qtbot.waitUntil(lambda: part._come_in == 1, timeout=10_000)
    assert not part._first_layer.isActive()
    assert panel.desk.results is not None
    assert panel.desk.results.lesion.is_in_run
    panel.cancel()
    wait_for_end(panel, qtbot)


def test_a_run_that_is_cancelled_at_once_makes_no_layer(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    added: list[Layer] = []
    viewer.layers.events.inserted.connect(lambda event: added.append(event.value))
    panel.run()
    panel.cancel()
    wait_for_end(panel, qtbot)
    qtbot.wait(50)
    assert added == []
    assert gated.stopped.wait(5)


def test_a_case_that_is_closed_at_once_stays_closed(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    viewer, panel = window
    panel.run()
    viewer.layers.clear()
    added: list[Layer] = []
    viewer.layers.events.inserted.connect(lambda event: added.append(event.value))
    wait_for_end(panel, qtbot)
    qtbot.wait(50)
    assert added == []
    assert notifications == []
    assert gated.stopped.wait(5)


def test_a_case_of_plain_layers_stops_its_run_when_it_is_closed(
    open_panel: OpenPanel, gated: GatedSegment, case: Case, qtbot: QtBot
) -> None:
    """Its images do not say of which case they are; the lesion does."""
    viewer, panel = open_panel()
    add_plain_images(viewer, case)
    qtbot.waitUntil(lambda: panel.run_bar.button.isEnabled(), timeout=10_000)
    panel.run()
    qtbot.waitUntil(lambda: Role.LESION in layers_of(panel))
    viewer.layers.clear()
    wait_for_end(panel, qtbot)
    assert gated.stopped.wait(5)


def test_a_first_layer_that_cannot_be_made_ends_the_run(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
) -> None:
    _viewer, panel = window

    def fail() -> None:
        raise MemoryError

    panel.run()
    assert panel.desk.results is not None
    monkeypatch.setattr(panel.desk.results, "begin", fail)
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert "not enough memory" in panel.run_bar.status.text()
    assert len(notifications) == 1
    assert panel.run_bar.button.text() == "Run"
    assert panel.desk.results.volumes is None


def test_the_rest_after_a_refresh_begins_when_it_is_over(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    part = panel.run_part
    panel.run()
    gated.allow(1)
    qtbot.waitUntil(lambda: part._come_in == 1, timeout=10_000)
    part._clock.stop()
    panel.desk.results_changed.connect(part._clock.stop)
    part._on_clock()
    assert part._clock.isActive()
    panel.desk.results_changed.disconnect(part._clock.stop)
    panel.cancel()
    wait_for_end(panel, qtbot)
    assert not part._clock.isActive()


def test_edited_slices_of_a_lesion_that_was_removed_do_not_count_as_emptied(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    gated.allow(100)
    sampling = panel.sampling_box.sampling
    panel.run_part.start([3, 4, 5], sampling)
    wait_for_end(panel, qtbot)
    viewer.layers["lesion"].paint((4, 3, 3), 1)
    other = replace(sampling, seed=sampling.seed + 1)
    assert panel.run_part.prospect([3], other) == (1, 1)
    viewer.layers.remove("lesion")
    assert panel.run_part.prospect([3], other) == (1, 1)
    panel.run_part.start([3], other)
    wait_for_end(panel, qtbot)
    assert [bool(part.any()) for part in viewer.layers["lesion"].data[3:6]] == [True, True, False]


def test_parts_that_are_left_out_at_the_end_are_told_of(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    gated.specks = {4}
    gated.allow(100)
    panel.run()
    wait_for_end(panel, qtbot)
    told = panel.run_bar.status.text()
    assert told.startswith("Done: ")
    assert told.endswith("slices. 1 part (0.01 mL) left out: small or doubtful (tab Look).")
    panel.tabs.setCurrentWidget(panel.look_tab)
    qtbot.waitUntil(lambda: not panel.look_tab.left_out_line.isHidden(), timeout=5000)


def test_slices_of_a_restored_mask_that_make_way_are_told_of(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    _viewer, panel = window
    case = panel.desk.case
    assert case is not None
    first, *rest = [index for index in case.brain_slices if index != 4][:3]
    lesion = panel.desk.results_of(case).lesion
    written = np.zeros(case.grid.shape, np.uint8)
    written[[first, *rest], 10:20, 10:20] = 1
    mask = written.copy()
    mask[first, 10:12] = 0  # edited
    lesion.restore(mask, written, 0.5)
    sampling = panel.sampling_box.sampling
    assert panel.run_part.prospect([4], sampling) == (1, len(rest))
    gated.allow(100)
    panel.run_part.start([4], sampling)
    wait_for_end(panel, qtbot)
    told = panel.run_bar.status.text()
    assert told.endswith("The 2 slices that were done with other settings made way; Undo brings them back.")
    assert lesion.data[first].any()
    assert not lesion.data[rest].any()
    lesion.undo()
    np.testing.assert_array_equal(lesion.data, mask)
    assert panel.run_part.prospect([4], replace(sampling, steps=sampling.steps + 1)) == (1, len(rest))
