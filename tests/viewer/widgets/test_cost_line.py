from __future__ import annotations

import dataclasses
import re
import threading

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.cost import pace_key
from napari_ddmd.device import MemoryEstimate, NoGpu, device_line, pick_device
from napari_ddmd.model import Bundle
from napari_ddmd.run_history import Pace, RunHistory
from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.widgets import cost_line
from napari_ddmd.viewer.widgets.cost_line import Cost, CostLine, Question, foretell

PACE = Pace(voxel_s=0.0, slice_s=0.5, call_s=0.0, row_s=0.0)
SHAPE = (8, 28, 24)
SAMPLING = Sampling(samples=2, device="cpu")


@pytest.fixture
def line(qtbot: QtBot) -> CostLine:
    line = CostLine()
    qtbot.addWidget(line)
    line.show()
    return line


@pytest.fixture
def measured(tiny_bundle: Bundle) -> Bundle:
    RunHistory().keep_pace(pace_key(tiny_bundle, pick_device("cpu")), PACE)
    return tiny_bundle


def test_device_memory_and_seconds_are_told(measured: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.device.no_gpu", lambda: None)
    monkeypatch.setattr("napari_ddmd.cost.worker_count", lambda device: 1)
    cost = foretell(Question(measured, SAMPLING, 30, SHAPE), measure=False)
    device, memory, seconds = cost.text.split(" · ")
    assert device == device_line(pick_device("cpu"))
    assert memory.startswith("about 0.")
    assert "GiB free" in memory
    assert seconds == "about 15 s for 30 slices"
    assert cost.is_measured
    one = foretell(Question(measured, SAMPLING, 1, SHAPE), measure=False)
    assert one.text.endswith("for 1 slice")


def test_looks_at_uneven_images_are_told_with_the_seconds(measured: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.cost.worker_count", lambda device: 1)
    cost = foretell(Question(measured, SAMPLING, 30, SHAPE, looks=20), measure=False)
    assert "about 25 s for 30 slices" in cost.text


def test_without_a_case_there_are_no_seconds(measured: Bundle) -> None:
    assert "slice" not in foretell(Question(measured, SAMPLING), measure=False).text


def test_a_pace_that_is_not_known_is_measured_where_that_is_allowed(tiny_bundle: Bundle) -> None:
    question = Question(tiny_bundle, SAMPLING, 30, SHAPE)
    before = foretell(question, measure=False)
    assert not before.is_measured
    assert " to " in before.text
    after = foretell(question, measure=True)
    assert after.is_measured
    assert re.search(r"about \d+ s for 30 slices", after.text)  # a tiny model's, on whatever computer
    assert foretell(question, measure=False).is_measured


def test_that_there_is_no_gpu_is_said_with_the_reason(measured: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.device.no_gpu", lambda: NoGpu("torch sees none", "The driver said so."))
    cost = foretell(Question(measured, SAMPLING), measure=False)
    assert cost.text.splitlines()[-1] == "No GPU: torch sees none."
    assert cost.tooltip.startswith("The driver said so.")


def test_what_will_happen_without_enough_memory_is_said(measured: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    small = MemoryEstimate(2048.0, 1024.0, "cpu", least_mb=4096.0)
    monkeypatch.setattr("napari_ddmd.device.estimate_memory", lambda *_, **__: small)
    cost = foretell(Question(measured, SAMPLING), measure=False)
    assert "about 2.0 GiB of 1.0 GiB free" in cost.text
    assert "Memory is short: not even one slice may fit." in cost.text.splitlines()


def test_the_line_follows_what_is_asked(line: CostLine, measured: Bundle, qtbot: QtBot) -> None:
    assert line.text() == ""
    line.set_bundle(measured)
    line.set_sampling(SAMPLING)
    line.set_work(4, SHAPE)
    qtbot.waitUntil(lambda: "for 4 slices" in line.text(), timeout=20_000)
    assert "only settings, counts and seconds are kept" in line.toolTip()
    line.set_work(7, SHAPE)
    qtbot.waitUntil(lambda: "for 7 slices" in line.text(), timeout=20_000)
    assert "Empties" not in line.text()
    line.set_work(7, SHAPE, 1)
    qtbot.waitUntil(lambda: "Empties 1 slice that is done with other settings" in line.text(), timeout=20_000)
    line.set_bundle(None)
    line.set_paused(True)
    assert line.text() == ""


def test_first_a_range_then_what_was_measured(
    line: CostLine, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def answer(question: Question, measure: bool) -> Cost:
        if measure:
            go_on.wait(10)
        return Cost(f"{question.sampling.samples} masks", "", is_measured=measure)

    monkeypatch.setattr(cost_line, "foretell", answer)
    line.set_sampling(SAMPLING)
    line.set_bundle(tiny_bundle)
    qtbot.waitUntil(lambda: line.text() == "2 masks\n(measuring the pace…)", timeout=5000)
    go_on.set()
    qtbot.waitUntil(lambda: line.text() == "2 masks", timeout=5000)


def test_it_keeps_still_while_a_run_is_on_and_asks_again_afterwards(
    line: CostLine, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Question] = []

    def answer(question: Question, measure: bool) -> Cost:
        asked.append(question)
        return Cost(f"{question.sampling.samples} masks", "")

    monkeypatch.setattr(cost_line, "foretell", answer)
    line.set_paused(True)
    line.set_bundle(tiny_bundle)
    line.set_sampling(dataclasses.replace(SAMPLING, samples=9))
    qtbot.wait(500)
    assert asked == []
    line.set_paused(False)
    qtbot.waitUntil(lambda: line.text() == "9 masks", timeout=5000)


def test_a_cost_that_cannot_be_told_is_no_obstacle(
    line: CostLine, tiny_bundle: Bundle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Cost:
        raise RuntimeError("no\ndriver")

    monkeypatch.setattr(cost_line, "foretell", refuse)
    line.set_bundle(tiny_bundle)
    qtbot.waitUntil(lambda: line.text() == "What a run will cost cannot be told: no driver", timeout=5000)
