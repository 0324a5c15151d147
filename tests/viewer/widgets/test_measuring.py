from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QWidget

from napari_ddmd.case import Case
from napari_ddmd.viewer import measuring_pace
from napari_ddmd.viewer.evidence import Evidence
from napari_ddmd.viewer.measure import Measurement
from napari_ddmd.viewer.widgets import measuring as module
from napari_ddmd.viewer.widgets.measuring import Measuring

TWO = (slice(2, 4), slice(5, 9), slice(5, 9)), (slice(6, 7), slice(20, 22), slice(20, 22))


@pytest.fixture
def layer(case: Case) -> Labels:
    mask = np.zeros(case.grid.shape, np.uint8)
    for place in TWO:
        mask[place] = 1
    return Labels(mask)


@pytest.fixture
def measuring(case: Case, layer: Labels, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Measuring]:
    monkeypatch.setattr(measuring_pace, "QUICK_S", 10)
    parent = QWidget()
    qtbot.addWidget(parent)
    measuring = Measuring(parent)
    measuring.watch(layer, case, Evidence())
    yield measuring
    del parent  # lives until here


def measure_first(measuring: Measuring, qtbot: QtBot) -> None:
    with qtbot.waitSignal(measuring.measured, timeout=10_000):
        measuring.soon()
    be_rested(measuring, qtbot)


def be_rested(measuring: Measuring, qtbot: QtBot) -> None:
    def is_rested() -> bool:
        return not measuring.is_under_way and not measuring.clock.isActive() and measuring._pace.rest_ms == 0

    qtbot.waitUntil(is_rested, timeout=10_000)


def test_a_mask_is_measured_at_once_when_that_is_known_to_be_quick(
    measuring: Measuring, layer: Labels, qtbot: QtBot
) -> None:
    found: list[Measurement] = []
    measuring.measured.connect(found.append)
    assert not measuring.now(), "nobody knows yet how long it takes"
    assert found == []
    qtbot.waitUntil(lambda: len(found) == 1, timeout=10_000)
    be_rested(measuring, qtbot)
    layer.data[TWO[1]] = 0
    assert measuring.now()
    assert [one.count for one in found] == [2, 1]


def test_in_quick_succession_it_rests_and_then_measures_the_latest_at_once(
    measuring: Measuring, layer: Labels, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_first(measuring, qtbot)
    found: list[int] = []
    measuring.measured.connect(lambda one: found.append(one.count))
    started: list[object] = []
    monkeypatch.setattr(measuring._worker, "start", lambda *_: started.append(1))
    monkeypatch.setattr(type(measuring._pace), "rest_ms", 40)
    layer.data[TWO[0]] = 0
    assert measuring.now(), "it comes in a moment"
    layer.data[0, 0, 0] = 1
    layer.data[0, 5, 0] = 1
    assert measuring.now()
    assert found == []
    qtbot.waitUntil(lambda: found == [3], timeout=10_000)
    assert started == [], "the window waited for it"


def test_a_long_rest_is_no_moment(
    measuring: Measuring, layer: Labels, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_first(measuring, qtbot)
    monkeypatch.setattr(type(measuring._pace), "rest_ms", 300)
    layer.data[TWO[0]] = 0
    with qtbot.waitSignal(measuring.measured, timeout=10_000) as signal:
        assert not measuring.now(), "the volume has to be told by whoever asks"
    assert signal.args[0].count == 1


def test_a_mask_that_has_grown_while_it_rested_is_measured_beside_the_window(
    measuring: Measuring, layer: Labels, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_first(measuring, qtbot)
    started: list[object] = []
    monkeypatch.setattr(measuring._worker, "start", lambda *_: started.append(1))
    monkeypatch.setattr(type(measuring._pace), "rest_ms", 40)
    layer.data[TWO[0]] = 0
    assert measuring.now()
    monkeypatch.setattr(measuring_pace, "QUICK_S", -1)
    qtbot.waitUntil(lambda: bool(started), timeout=10_000)


def test_a_slow_mask_is_measured_beside_the_window(
    measuring: Measuring, layer: Labels, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_first(measuring, qtbot)
    monkeypatch.setattr(measuring_pace, "QUICK_S", -1)
    layer.data[TWO[1]] = 0
    with qtbot.waitSignal(measuring.measured, timeout=10_000) as signal:
        assert not measuring.now()
        assert not measuring.is_under_way
    assert signal.args[0].count == 1


def test_another_mask_is_not_taken_to_be_quick(measuring: Measuring, case: Case, qtbot: QtBot) -> None:
    measure_first(measuring, qtbot)
    other = Labels(np.ones(case.grid.shape, np.uint8))
    measuring.watch(other, case, Evidence())
    with qtbot.waitSignal(measuring.measured, timeout=10_000) as signal:
        assert not measuring.now()
    assert signal.args[0].count == 1


def test_what_fails_at_once_is_told_and_does_not_stop_the_rest(
    measuring: Measuring, layer: Labels, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_first(measuring, qtbot)

    def fail(*_: object, **__: object) -> Any:
        raise MemoryError("no memory left")

    layer.data[TWO[1]] = 0
    with monkeypatch.context() as broken:
        broken.setattr(module, "measure", fail)
        with qtbot.waitSignal(measuring.failed) as signal:
            assert not measuring.now()
    assert str(signal.args[0]) == "no memory left"
    with qtbot.waitSignal(measuring.measured, timeout=10_000) as signal:
        assert not measuring.now(), "how long it takes is not known any more"
    assert signal.args[0].count == 1, "the same mask is tried again"
    layer.data[TWO[0]] = 0
    with qtbot.waitSignal(measuring.measured, timeout=10_000) as signal:
        measuring.now()
    assert signal.args[0].count == 0


@pytest.mark.parametrize("between", [[], [3], [3, 1]])
def test_numbers_do_not_depend_on_the_masks_in_between(
    measuring: Measuring, layer: Labels, qtbot: QtBot, between: list[int]
) -> None:
    measure_first(measuring, qtbot)
    whole = layer.data.copy()

    def numbers(mask: Any) -> list[int]:
        layer.data[:] = mask
        measuring.begin_anew()
        found: list[Measurement] = []
        measuring.measured.connect(found.append)
        measuring.now()
        qtbot.waitUntil(lambda: bool(found), timeout=10_000)
        measuring.measured.disconnect(found.append)
        return [lesion.label for lesion in found[0].lesions]

    for margin in between:
        wide = whole.copy()
        wide[:margin] = 1
        numbers(wide)
    assert numbers(whole) == [1, 2]


def test_without_a_mask_there_are_no_figures(measuring: Measuring, case: Case, qtbot: QtBot) -> None:
    measure_first(measuring, qtbot)
    measuring.watch(None, case, Evidence())
    with qtbot.waitSignal(measuring.measured, timeout=10_000) as signal:
        assert not measuring.now()
    assert signal.args == [None]
