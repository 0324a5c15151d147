from __future__ import annotations

import threading

from pytestqt.qtbot import QtBot
from qtpy.QtCore import QObject

from napari_ddmd.viewer.widgets.background import Background


def test_the_answer_comes_to_the_main_thread(qtbot: QtBot) -> None:
    owner = QObject()
    background = Background(owner)
    heard: list[object] = []
    background.done.connect(lambda value: heard.append((value, threading.current_thread())))
    with qtbot.waitSignal(background.done, timeout=5000):
        background.start(lambda number: (number + 1, threading.current_thread()), 41)
    (((answer, worked_in), heard_in),) = heard  # type: ignore[misc]
    assert answer == 42
    assert worked_in is not heard_in
    assert heard_in is threading.main_thread()


def test_an_error_is_an_answer_too(qtbot: QtBot) -> None:
    owner = QObject()
    background = Background(owner)
    with qtbot.waitSignal(background.failed, timeout=5000) as signal:
        background.start(int, "no number")
    assert isinstance(signal.args[0], ValueError)


def test_only_the_latest_job_counts(qtbot: QtBot) -> None:
    owner = QObject()
    background = Background(owner)
    gate = threading.Event()
    heard: list[object] = []
    background.done.connect(heard.append)
    background.start(lambda: gate.wait(5) and "old")
    background.start(lambda: "new")
    qtbot.waitUntil(lambda: heard == ["new"], timeout=5000)
    gate.set()
    qtbot.wait(100)
    assert heard == ["new"]


def test_a_job_can_be_forgotten(qtbot: QtBot) -> None:
    owner = QObject()
    background = Background(owner)
    heard: list[object] = []
    background.done.connect(heard.append)
    background.start(lambda: "old")
    background.forget()
    qtbot.wait(100)
    assert heard == []
