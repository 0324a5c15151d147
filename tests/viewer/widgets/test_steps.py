from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject, QTimer

from napari_ddmd.viewer.widgets.steps import Steps


@pytest.fixture
def parent(qtbot: QtBot) -> QObject:
    return QObject()


def test_the_window_answers_between_two_steps(parent: QObject, qtbot: QtBot) -> None:
    done: list[str] = []

    def work() -> Iterator[None]:
        for number in range(3):
            done.append(f"step {number}")
            QTimer.singleShot(0, lambda: done.append("answer"))
            yield

    steps = Steps(parent)
    with qtbot.waitSignal(steps.done, timeout=5000):
        steps.start(work())
        assert done == []
    assert done == ["step 0", "answer", "step 1", "answer", "step 2", "answer"]


def test_a_failure_ends_it(parent: QObject, qtbot: QtBot) -> None:
    def work() -> Iterator[None]:
        yield
        raise OSError("no")

    steps = Steps(parent)
    with qtbot.assertNotEmitted(steps.done), qtbot.waitSignal(steps.failed, timeout=5000) as signal:
        steps.start(work())
    assert str(signal.args[0]) == "no"


def test_what_is_stopped_puts_back_what_it_did(parent: QObject, qtbot: QtBot) -> None:
    done: list[str] = []

    def work() -> Iterator[None]:
        try:
            while True:
                done.append("step")
                yield
        finally:
            done.append("put back")

    steps = Steps(parent)
    steps.start(work())
    qtbot.waitUntil(lambda: len(done) > 2, timeout=5000)
    steps.stop()
    count = len(done)
    qtbot.wait(30)
    assert done[-1] == "put back"
    assert len(done) == count
    steps.stop()
