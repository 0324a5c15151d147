from __future__ import annotations

import threading
import warnings
import weakref

import pytest
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


class Large:
    """What nobody wants to keep."""


def test_nothing_of_jobs_that_overlapped_is_kept(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second worker takes the first one's for the way in which warnings are shown, and puts that back.
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    owner = QObject()
    one, other = Background(owner), Background(owner)
    begun, first_gate, second_gate = threading.Event(), threading.Event(), threading.Event()
    large = Large()
    gone = weakref.ref(large)

    def wait(_large: Large) -> None:
        begun.set()
        first_gate.wait(5)

    one.start(wait, large)
    del large
    qtbot.waitUntil(begun.is_set, timeout=5000)
    began_too = threading.Event()
    other.start(lambda: (began_too.set(), second_gate.wait(5)))
    qtbot.waitUntil(began_too.is_set, timeout=5000)
    with qtbot.waitSignal(one.done, timeout=5000):
        first_gate.set()
    with qtbot.waitSignal(other.done, timeout=5000):
        second_gate.set()
    qtbot.waitUntil(lambda: gone() is None, timeout=5000)
