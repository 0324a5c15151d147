"""Several processes for one piece of work, as ``torchrun`` starts them: which share is whose.

The launcher tells each process its number in environment variables. A process that nobody launched so has it all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = timedelta(days=30)
"""A process may wait hours for another's work; one that has died is noticed by the launcher, not by this."""


class LauncherError(ValueError):
    """What the launcher says makes no sense; the message is one line."""


def world_size() -> int:
    """Number of processes."""
    return environment_number("WORLD_SIZE", least=1) if {"RANK", "WORLD_SIZE"} <= os.environ.keys() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return environment_number("RANK", below=world_size()) if world_size() > 1 else 0


def local_rank() -> int:
    """Number of this process among those of its machine, from 0."""
    return environment_number("LOCAL_RANK", "0", below=world_size()) if world_size() > 1 else 0


def environment_number(name: str, unset: str = "", *, least: int = 0, below: float = math.inf) -> int:
    """Whole number in an environment variable of the launcher, from ``least`` to ``below``.

    Raises
    ------
    LauncherError
        If it is none, or another one.
    """
    text = os.environ.get(name, unset)
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not least <= value < below:
        problem = f"{name} is {text!r} in the environment, which cannot be"
        raise LauncherError(f"{problem}; start with torchrun, or unset RANK")
    return value


def share(items: Sequence[Item]) -> list[Item]:
    """The items that this process does; the shares of all processes together are all items, each once."""
    return list(items[rank() :: world_size()])


def device_name(wanted: str) -> str:
    """The device of this process: several on a machine divide its GPUs between them."""
    if world_size() == 1 or wanted not in ("auto", "cuda"):
        return wanted
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{local_rank() % gpus}" if gpus else wanted


def gather(items: Sequence[Item]) -> list[Item] | None:
    """Wait until every process has done its share: ``torchrun`` ends the others once one ends with an error.

    Parameters
    ----------
    items
        What this process has to tell.

    Returns
    -------
    list or None
        What all have; None but for the first process, and where the processes cannot hear each other.
    """
    if world_size() == 1:
        return list(items)
    if "MASTER_ADDR" not in os.environ:
        return None
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=PATIENCE)
    told: list[Sequence[Item]] = [[] for _ in range(world_size())]
    dist.all_gather_object(told, list(items))
    dist.destroy_process_group()
    return [item for share in told for item in share] if rank() == 0 else None
