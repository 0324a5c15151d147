"""Threads that compute side by side, each by itself: what one of them computes does not depend on their number."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Lock, get_native_id
from typing import Final

import torch

from napari_ddmd.device import inference_dtype

_starting = Lock()
_NICE: Final = 10
"""Of a worker in the background: a tenth of what a thread of the usual priority, 0, gets beside it."""


def worker_count(device: torch.device) -> int:
    """Threads that a run computes with: those that torch may use on a CPU, one for another device."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def rows_at_once(device: torch.device) -> int | None:
    """Most rows of one evaluation, so that the last digits of a row do not depend on how many others it comes with.

    On a CPU, torch computes 1 × 1 convolutions of 16 rows and more in another way, and in float32 the sums of a matrix
    product depend on its number of rows. None for other devices, where that costs more than it is worth.
    """
    if device.type != "cpu":
        return None
    return 1 if inference_dtype(device) == torch.float32 else 15


@contextmanager
def workers(
    device: torch.device, count: int | None = None, *, in_background: bool = False
) -> Iterator[ThreadPoolExecutor]:
    """A pool of `worker_count` threads, or of ``count``, which ends with the block; what has not begun then never does.

    On a CPU an operation is not spread over threads: the small convolutions of one slice are worth little to a second
    core, the next slices much, and sums that are split among threads would differ in their last digits with the number
    of these. Torch's number of threads is that of the thread that sets it, and of those that use torch for the first
    time afterwards: all workers begin at once, and the number is put back before anything else can happen.

    In the background the workers leave the processor to whatever else wants it, such as a window that is drawn; where
    the system cannot tell threads apart (it can on Linux), they do not.
    """
    count = worker_count(device) if count is None else count
    pool = ThreadPoolExecutor(count, "segment", _come_last if in_background else None)
    try:
        if device.type == "cpu":
            with _starting:
                before = torch.get_num_threads()
                barrier = Barrier(count)
                try:
                    for begun in [pool.submit(_one_thread, barrier) for _ in range(count)]:
                        begun.result()
                finally:
                    barrier.abort()  # where a thread could not begin, the others would wait for it for ever
                    torch.set_num_threads(before)
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _come_last() -> None:
    """Lower the priority of the thread that calls, for as long as it lives; one that is lower already stays so."""
    if sys.platform == "linux":
        thread = get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))


def _one_thread(barrier: Barrier) -> None:
    """Each worker takes one of these, since none is done before all have begun."""
    torch.get_num_threads()  # the first use in a thread sets it to the number that holds for all
    torch.set_num_threads(1)
    barrier.wait()
