from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.segment import Progress
from napari_ddmd.viewer.widgets.run_bar import RunBar, duration


@pytest.fixture
def bar(qtbot: QtBot) -> RunBar:
    bar = RunBar()
    qtbot.addWidget(bar)
    bar.show()
    return bar


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


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


def test_the_bar_counts_evaluations(bar: RunBar) -> None:
    bar.set_running(True)
    bar.show_progress(None, 0, 4)
    assert (bar.bar.minimum(), bar.bar.maximum()) == (0, 0)
    assert bar.status.text() == "Preparing the images…"
    bar.show_progress(Progress(10, 40, 5.0, 15.0, ""), 1, 4)
    assert (bar.bar.value(), bar.bar.maximum()) == (10, 40)
    assert bar.bar.text() == "25 % · 15 s left"
    assert bar.status.text() == "1 of 4 slices done"
    bar.show_progress(Progress(10, 40, 5.0, None, ""), 1, 4)
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
