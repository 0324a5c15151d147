"""Measuring: growing sizes, within a budget."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from src_training.speed import Speed, measure_speed, time_it, time_update

CPU = torch.device("cpu")
TRIALS = {(1, 8): 10_000, (1, 16): 40_000, (4, 16): 160_000}


class Sleeper:
    """Takes a millisecond for a thousand operations."""

    def __init__(self, limit: tuple[int, int] | None = None) -> None:
        self.limit, self.seen = limit, list[tuple[int, int]]()

    def __call__(self, batch: int, side: int) -> None:
        if (batch, side) == self.limit:
            raise torch.OutOfMemoryError
        self.seen.append((batch, side))
        time.sleep(TRIALS[batch, side] / 1e6)


def test_the_largest_size_within_the_budget_is_measured() -> None:
    sleeper = Sleeper()
    speed = measure_speed(sleeper, TRIALS, CPU, budget_s=10)

    assert (speed.batch, speed.side) == (4, 16)
    assert speed.flop_per_second == pytest.approx(1e6, rel=0.2)


def test_a_size_that_would_take_too_long_is_not_tried() -> None:
    sleeper = Sleeper()
    speed = measure_speed(sleeper, TRIALS, CPU, budget_s=0.2)

    assert (speed.batch, speed.side) == (1, 16)
    assert (4, 16) not in sleeper.seen


def test_a_size_that_does_not_fit_ends_the_trials() -> None:
    speed = measure_speed(Sleeper(limit=(4, 16)), TRIALS, CPU, budget_s=10)

    assert (speed.batch, speed.side) == (1, 16)
    with pytest.raises(torch.OutOfMemoryError):
        measure_speed(Sleeper(limit=(1, 8)), TRIALS, CPU, budget_s=10)
    with pytest.raises(ValueError, match="no size"):
        measure_speed(Sleeper(), {}, CPU, budget_s=10)


def test_a_slow_call_is_timed_once() -> None:
    calls = []

    def slow() -> None:
        calls.append(time.sleep(0.02))

    assert time_it(slow, CPU, least_s=0.01) == pytest.approx(0.02, abs=0.02)
    assert len(calls) == 1


@pytest.mark.parametrize("averaged", [True, False])
def test_an_update_takes_time_and_leaves_no_gradients(averaged: bool) -> None:
    net = nn.Linear(4, 4)

    assert time_update(net, CPU, averaged=averaged) > 0
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_speed_says_how_it_was_measured() -> None:
    assert str(Speed(3.21e11, 1, 128)) == "321 GFLOP/s with 1 slice of 128 × 128"
    assert str(Speed(1e9, 2, 8)) == "1 GFLOP/s with 2 slices of 8 × 8"
