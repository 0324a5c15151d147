"""The same work on many items, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
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
        Processes to do it in, each with one thread of torch's; 0 takes this one.
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
        initializer=partial(torch.set_num_threads, 1),
    ) as pool:
        try:
            yield from pool.map(work, items)
        except BrokenProcessPool as error:
            raise RecipeError(
                f"{task} died, most likely for want of memory; call again with fewer --workers"
            ) from error
