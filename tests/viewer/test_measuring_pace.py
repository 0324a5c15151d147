from __future__ import annotations

import pytest

from napari_ddmd.viewer import measuring_pace
from napari_ddmd.viewer.measuring_pace import MeasuringPace


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(measuring_pace, "time", clock)
    return clock


def measured(pace: MeasuringPace, clock: Clock, took: float, voxels: int | None, *, at_once: bool = False) -> None:
    pace.begin()
    clock.now += took
    pace.end(voxels, thread_s=took / 2, at_once=at_once)


def test_nothing_is_quick_before_it_was_measured_nor_after_it_failed(clock: Clock) -> None:
    pace = MeasuringPace()
    assert not pace.is_quick(0)
    measured(pace, clock, 0.001, 1000)
    assert pace.is_quick(1000)
    measured(pace, clock, 0.001, None)
    assert not pace.is_quick(0)


def test_what_is_known_of_a_mask_says_nothing_of_another(clock: Clock) -> None:
    pace = MeasuringPace()
    measured(pace, clock, 0.001, 1000)
    pace.forget()
    assert not pace.is_quick(1000)


def test_a_larger_box_takes_longer(clock: Clock) -> None:
    pace = MeasuringPace()
    measured(pace, clock, 0.02, 950_000)  # half of it others' work
    assert pace.is_quick(950_000)
    assert pace.is_quick(4_900_000)
    assert not pace.is_quick(5_100_000)


def test_where_the_window_waited_the_clock_counts(clock: Clock) -> None:
    pace = MeasuringPace()
    measured(pace, clock, 0.08, 950_000)
    assert pace.is_quick(950_000)
    measured(pace, clock, 0.08, 950_000, at_once=True)
    assert not pace.is_quick(950_000)


def test_it_rests_longer_after_what_went_on_beside_the_window(clock: Clock) -> None:
    pace = MeasuringPace()
    assert pace.rest_ms == 0
    measured(pace, clock, 0.02, 1000)
    assert pace.rest_ms == 80
    clock.now += 0.05
    assert pace.rest_ms == 30
    measured(pace, clock, 0.02, 1000, at_once=True)
    assert pace.rest_ms == 20
    measured(pace, clock, 2.0, 1000)
    assert pace.rest_ms == 400


def test_a_clock_that_stands_still_makes_nothing_quick(clock: Clock) -> None:
    pace = MeasuringPace()
    pace.begin()
    clock.now += 0.06
    pace.end(0, thread_s=0.0)  # less than a tick of the thread's clock
    assert not pace.is_quick(0)
