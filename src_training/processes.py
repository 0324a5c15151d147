"""The same work on many items, in this process or in several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

import torch

from src_training.recipe import RecipeError

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(work: Callable[[Item], Result], items: Sequence[Item], workers: int, *, task: str) -> Iterator[Result]:
    """Do some work on every item; the results in the items' order, each when it is there.

    Parameters
    ----------
    work
        What is done; with `workers`, it and the items must be such that another process can be told of them.
    items
        What it is done on.
    workers
        Processes to do it in, each with one thread of torch's; 0 takes this one. They end with this one, even where
        it is killed.
    task
        What the error says: where, and what the process did.

    Raises
    ------
    RecipeError
        If a process dies, most likely for want of memory.
    """
    if workers < 1 or not items:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(
        min(workers, len(items)),
        mp_context=get_context("spawn"),
        initializer=_begin,
    ) as pool:
        try:
            yield from pool.map(work, items)
        except BrokenProcessPool as error:
            raise RecipeError(
                f"{task} died, most likely for want of memory; call again with fewer --workers"
            ) from error


def _begin() -> None:
    """What a worker does first."""
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no worker behind that waits for ever for a process that was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
