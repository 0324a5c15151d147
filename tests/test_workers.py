"""Threads that compute by themselves, and torch's own threads as they were."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread, current_thread, get_native_id
from typing import Any

import pytest
import torch

from napari_ddmd.workers import worker_count, workers

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def in_a_new_thread() -> int:
    found: list[int] = []
    thread = Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_each_worker_has_one_thread_and_all_others_keep_theirs() -> None:
    with workers(CPU) as pool:
        names = {pool.submit(lambda: (time.sleep(0.02), current_thread().name)[1]) for _ in range(9)}
        assert len({future.result() for future in names}) == 3
        assert {pool.submit(torch.get_num_threads).result() for _ in range(9)} == {1}
        assert torch.get_num_threads() == 3
        assert in_a_new_thread() == 3, "a thread whose first use of torch falls into a run"
    assert torch.get_num_threads() == in_a_new_thread() == 3


def test_fewer_workers_may_be_asked_for() -> None:
    with workers(CPU, 1) as pool:
        assert pool._max_workers == 1
        assert pool.submit(torch.get_num_threads).result() == 1


def test_a_gpu_has_one_worker_that_may_use_all_threads() -> None:
    with workers(CUDA) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3
        assert pool._max_workers == worker_count(CUDA) == 1


def test_what_has_not_begun_by_the_end_never_does() -> None:
    begun = Event()
    with workers(CUDA) as pool:
        pool.submit(time.sleep, 0.2)
        waiting = pool.submit(begun.set)
    assert waiting.cancelled()
    assert not begun.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own elsewhere")
@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_in_the_background_the_workers_alone_come_last(device: torch.device) -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, get_native_id())

    usual = priority()
    with workers(device, in_background=True) as pool:
        assert {pool.submit(priority).result() for _ in range(9)} == {10}
        assert priority() == usual
    with workers(device) as pool:
        assert {pool.submit(priority).result() for _ in range(9)} == {usual}


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own elsewhere")
def test_workers_of_a_program_that_comes_last_itself_do_not_ask_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which only an administrator may: napari that was started with ``nice -n 15``."""
    asked: list[int] = []
    monkeypatch.setattr(os, "getpriority", lambda *_: 15)
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, priority: asked.append(priority))
    with workers(CPU, 2, in_background=True) as pool:
        assert pool.submit(int).result() == 0
    assert set(asked) == {15}


@pytest.mark.fault("Viewer")
def test_a_thread_that_cannot_begin_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    submit = ThreadPoolExecutor.submit
    begun: list[object] = []

    def no_third_thread(pool: ThreadPoolExecutor, *job: Any) -> Any:
        begun.append(job)
        if len(begun) == 3:
            raise RuntimeError("can't start new thread")
        return submit(pool, *job)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", no_third_thread)
    with pytest.raises(RuntimeError, match="can't start new thread"), workers(CPU):
        pass
    assert torch.get_num_threads() == 3
    with workers(CPU, 2) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
