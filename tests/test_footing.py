"""What a run computes with becomes less, step by step, until nothing less is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from napari_ddmd.footing import Footing

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def all_below(first: Footing, *, may_leave: bool) -> list[Footing]:
    found = [first]
    while (lesser := found[-1].lesser(40, may_leave=may_leave)) is not None:
        found.append(lesser)
    return found


def test_every_thread_gets_a_share_of_the_slices() -> None:
    assert Footing.on(CPU, 100) == Footing(CPU, 5, 2)
    assert Footing.on(CPU, 2) == Footing(CPU, 1, 2)
    assert Footing.on(CPU, 0) == Footing(CPU, 1, 2)
    assert Footing.on(CUDA, 100) == Footing(CUDA, 16, 1)
    assert Footing.on(CPU, 100, 8) == Footing(CPU, 8, 2)


def test_first_the_batches_then_the_threads_become_fewer() -> None:
    assert all_below(Footing(CPU, 5, 2), may_leave=True) == [
        Footing(CPU, 5, 2),
        Footing(CPU, 2, 2),
        Footing(CPU, 1, 2),
        Footing(CPU, 1, 1),
    ]


def test_a_gpu_is_left_at_last_and_only_by_who_may() -> None:
    assert all_below(Footing(CUDA, 2, 1), may_leave=False) == [Footing(CUDA, 2, 1), Footing(CUDA, 1, 1)]
    left = all_below(Footing(CUDA, 2, 1), may_leave=True)
    assert left[2:] == all_below(Footing.on(CPU, 40), may_leave=True)


def test_what_is_left_is_said_in_one_line() -> None:
    first = Footing(CPU, 4, 2)
    assert Footing(CPU, 2, 2).remark(first) == "Memory was short: went on with 2 slices at a time."
    assert Footing(CPU, 1, 1).remark(first) == "Memory was short: went on with 1 slice at a time in one thread."
    gpu = Footing(CUDA, 16, 1)
    assert Footing(CUDA, 1, 1).remark(gpu) == "Memory was short: went on with 1 slice at a time."
    said = "has too little for one slice, went on with the CPU, 3 slices at a time."
    assert Footing(CPU, 3, 2).remark(gpu) == f"Memory was short: the GPU {said}"
    assert Footing(CPU, 3, 2).remark(Footing(MPS, 16, 1)) == f"Memory was short: the mps GPU {said}"
