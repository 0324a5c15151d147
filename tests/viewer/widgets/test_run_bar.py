from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QObject

from napari_ddmd.segment import Progress
from napari_ddmd.viewer.run_stream import RunOutcome, RunState
from napari_ddmd.viewer.widgets.run_bar import RunBar


@pytest.fixture
def bar(qtbot: QtBot) -> RunBar:
    bar = RunBar()
    qtbot.addWidget(bar)
    bar.show()
    return bar


def test_one_button_runs_and_cancels(bar: RunBar, qtbot: QtBot) -> None:
    bar.set_ready(None)
    with qtbot.waitSignal(bar.run_wanted):
        bar.button.click()
    bar.set_running(True)
    assert bar.button.text() == "Cancel"
    with qtbot.waitSignal(bar.cancel_wanted):
        bar.button.click()
    bar.set_cancelling()
    assert not bar.button.isEnabled()
    bar.set_running(False)
    assert bar.button.text() == "Run"
    assert bar.button.isEnabled()
    assert not bar.bar.isVisible()


def test_the_cost_is_told_over_the_button(bar: RunBar) -> None:
    bar.set_ready(None)
    bar.set_cost("CPU · 2 s for 3 slices")
    assert bar.button.toolTip() == "<p>Segment the chosen slices</p><p>CPU · 2 s for 3 slices</p>"
    bar.set_running(True)
    assert bar.button.toolTip() == "<p>Stop; the slices that are done stay</p>"
    bar.set_running(False)
    bar.set_ready("Choose a model.")
    assert bar.button.toolTip() == "<p>Choose a model.</p>"
    bar.set_cost("")
    bar.set_ready(None)
    assert bar.button.toolTip() == "<p>Segment the chosen slices</p>"


def test_the_bar_counts_evaluations(bar: RunBar) -> None:
    bar.set_running(True)
    bar.show_progress(None, 0, 4)
    assert (bar.bar.minimum(), bar.bar.maximum()) == (0, 0)
    assert bar.status.text() == "Preparing the images…"
    bar.show_progress(Progress(10, 40, 5.0, 15.0, ""), 1, 4)
    assert (bar.bar.value(), bar.bar.maximum()) == (10, 40)
    assert bar.bar.text() == "25 % · 15 s left"
    assert bar.status.text() == "1 of 4 slices done"
    bar.show_progress(Progress(10, 40, 5.0, 15.0, ""), 13, 16, before=12)  # a run that goes on
    assert (bar.bar.value(), bar.bar.maximum()) == (130, 160)
    for early in (Progress(10, 40, 5.0, None, ""), Progress(10, 40, 1.0, 15.0, "")):
        bar.show_progress(early, 1, 4)
        assert bar.bar.text() == "25 %"


def test_a_problem_is_named_until_it_is_gone(bar: RunBar) -> None:
    bar.set_ready("Choose a model.")
    assert not bar.button.isEnabled()
    assert bar.status.text() == "Choose a model."
    bar.set_ready(None)
    assert bar.button.isEnabled()
    assert not bar.status.isVisible()


def test_how_a_run_ended_stays_on_show(bar: RunBar) -> None:
    bar.set_ready(None)
    bar.say("Done: 3 slices.")
    bar.set_ready(None)
    assert bar.status.text() == "Done: 3 slices."


def test_nothing_disturbs_the_status_of_a_run(bar: RunBar) -> None:
    bar.set_running(True)
    bar.set_ready("Open a case")
    assert bar.button.isEnabled()
    assert bar.status.text() == ""


@pytest.mark.parametrize(
    ("outcome", "done", "words"),
    [
        (RunOutcome(RunState.FINISHED), 1, "Done: 1 slice."),
        (RunOutcome(RunState.FINISHED, remarks=("Memory was short.",)), 4, "Done: 4 slices. Memory was short."),
        (RunOutcome(RunState.CANCELLED), 2, "Cancelled: 2 of 4 slices are done. Run goes on from there."),
        (RunOutcome(RunState.FAILED, OSError("disk"), remarks=("T2 is missing.",)), 0, "Failed: disk T2 is missing."),
    ],
)
def test_how_a_run_ended_is_told_with_its_remarks(bar: RunBar, outcome: RunOutcome, done: int, words: str) -> None:
    bar.show_ending(outcome, done, 4 if done != 1 else 1)
    assert bar.status.text() == words


def test_a_value_does_not_make_the_window_wait(bar: RunBar, qtbot: QtBot) -> None:
    bar.set_running(True)
    qtbot.wait(50)
    painted: list[object] = []

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if event.type() == QEvent.Type.Paint:
                painted.append(event)
            return False

    watch = Watch()
    bar.bar.installEventFilter(watch)
    bar.show_progress(Progress(10, 40, 5.0, 15.0, ""), 1, 4)
    bar.show_progress(Progress(30, 40, 5.0, 5.0, ""), 3, 4)
    assert painted == []
    qtbot.waitUntil(lambda: bool(painted))
