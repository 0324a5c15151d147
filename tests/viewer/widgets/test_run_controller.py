from __future__ import annotations

import time
from typing import Any

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, QTimer

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.run_settings import RunRequest, Sampling
from napari_ddmd.viewer.run_stream import RunState
from napari_ddmd.viewer.widgets.run_controller import RunController
from tests.viewer.conftest import GatedSegment

SLICES = tuple(range(8))


@pytest.fixture
def controller(qtbot: QtBot, gated: GatedSegment) -> RunController:
    parent = QObject()
    controller = RunController(parent)
    controller.parent_kept = parent  # type: ignore[attr-defined]
    return controller


@pytest.fixture
def request_(case: Case, tiny_bundle: Bundle) -> RunRequest:
    return RunRequest(case, tiny_bundle, Sampling(samples=2), SLICES)


def test_all_results_come_in_order_and_the_end_after_the_last(
    controller: RunController, request_: RunRequest, gated: GatedSegment, qtbot: QtBot
) -> None:
    heard: list[Any] = []
    controller.arrived.connect(lambda result: heard.append(result.index))
    controller.ended.connect(lambda outcome: heard.append(outcome.state))
    gated.allow(len(SLICES))
    with qtbot.waitSignal(controller.ended, timeout=10_000):
        controller.start(request_)
    assert heard == [*SLICES, RunState.FINISHED]
    assert not controller.is_running


def test_results_that_take_long_to_show_leave_the_window_time_for_others(
    controller: RunController, request_: RunRequest, gated: GatedSegment, qtbot: QtBot
) -> None:
    beats: list[int] = []
    shown: list[int] = []

    def show(result: Any) -> None:
        time.sleep(0.05)
        shown.append(result.index)

    heart = QTimer()
    heart.timeout.connect(lambda: beats.append(len(shown)))
    controller.arrived.connect(show)
    gated.allow(len(SLICES))
    heart.start(1)
    with qtbot.waitSignal(controller.ended, timeout=10_000):
        controller.start(request_)
        # All have come in before the first is shown.
        time.sleep(0.3)
    heart.stop()
    assert set(range(1, len(SLICES))) <= set(beats), "the timer came to its turn after every result"


def test_what_came_in_before_a_cancel_is_still_handed_on(
    controller: RunController, request_: RunRequest, gated: GatedSegment, qtbot: QtBot
) -> None:
    shown: list[int] = []
    controller.arrived.connect(lambda result: shown.append(result.index))
    gated.allow(3)
    with qtbot.waitSignal(controller.ended, timeout=10_000) as ended:
        controller.start(request_)
        time.sleep(0.3)
        controller.cancel()
        assert controller.is_cancelling
    assert shown == [0, 1, 2]
    assert ended.args[0].state is RunState.CANCELLED
