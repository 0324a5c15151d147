"""How fast a device is with a network, from a measurement of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import nn

Act = Callable[[int, int], object]
"""``act(batch, side)`` does one thing with so many slices of so many pixels a side."""


@dataclass(frozen=True)
class Speed:
    """How fast a device was with a network."""

    flop_per_second: float
    batch: int
    side: int

    def __str__(self) -> str:
        return (
            f"{self.flop_per_second / 1e9:,.0f} GFLOP/s with {self.batch} slice{'s' * (self.batch > 1)} of "
            f"{self.side} × {self.side}"
        )


def measure_speed(act: Act, work: Mapping[tuple[int, int], int], device: torch.device, *, budget_s: float) -> Speed:
    """Do the same thing at growing sizes until the next would take longer than the budget; the speed at the last.

    Parameters
    ----------
    act
        What is timed. It is done once beforehand at each size: the first call allocates and chooses kernels.
    work
        Floating-point operations for each batch and side, smallest first.
    device
        Where ``act`` computes.
    budget_s
        Seconds for one size, the call beforehand included.
    """
    speed: Speed | None = None
    for (batch, side), flops in work.items():
        if speed is not None and 2 * flops / speed.flop_per_second > budget_s:
            break
        once = partial(act, batch, side)
        try:
            once()
            speed = Speed(flops / time_it(once, device), batch, side)
        except torch.OutOfMemoryError:
            if speed is None:
                raise
            break
    if speed is None:
        raise ValueError("there is no size to try")
    return speed


def time_it(act: Callable[[], object], device: torch.device, *, least_s: float = 0.3) -> float:
    """Seconds that a call takes: the fastest of as many as fit into ``least_s``, at least one."""
    best, spent = float("inf"), 0.0
    while spent < least_s:
        _wait(device)
        started = time.perf_counter()
        act()
        _wait(device)
        seconds = time.perf_counter() - started
        best, spent = min(best, seconds), spent + seconds
    return best


def time_update(net: nn.Module, device: torch.device, *, averaged: bool) -> float:
    """Seconds of what a training step does once, whatever the batch: clip, AdamW, moving average."""
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    ema: Any = EMAModel(net.parameters()) if averaged else None

    def update() -> None:
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if ema is not None:
            ema.step(net.parameters())

    update()  # allocates the moments
    seconds = time_it(update, device)
    net.zero_grad()
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
