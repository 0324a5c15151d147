"""Many processes, one training: who does what, and who waits for whom.

The launcher (``torchrun``, or anything that sets the same environment variables) starts the processes; all of them see
one folder of the run. Work on files is divided so that no file has two writers. All is a matter of course in a single
process: it is the main one, its share is everything, and it waits for nobody.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.distributed as dist

from napari_ddmd.device import pick_device
from napari_ddmd.launcher import PATIENCE, environment_number, local_rank, rank, share, world_size
from src_training.recipe import RecipeError

__all__ = [
    "PATIENCE",
    "barrier",
    "gather",
    "is_main",
    "join",
    "local_rank",
    "local_world_size",
    "on_main",
    "own_device",
    "rank",
    "share",
    "world_size",
]

Item = TypeVar("Item")


def local_world_size() -> int:
    """Number of processes on this machine; as many on each."""
    size = world_size()
    return environment_number("LOCAL_WORLD_SIZE", str(size), least=1, below=size + 1) if size > 1 else 1


def is_main() -> bool:
    """Whether this process is the one that writes what all share."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        join()
        dist.all_reduce(torch.zeros(1))  # on the CPU, so that no watchdog of a GPU counts the hours


def on_main(work: Callable[[], Item]) -> Item:
    """Let the main process do something; the others wait, and get the same answer."""
    answer: list[Item | None] = [work() if is_main() else None]
    if world_size() > 1:
        join()
        dist.broadcast_object_list(answer, src=0, device=torch.device("cpu"))
    return answer[0]  # type: ignore[return-value]


def gather(own: Item) -> list[Item]:
    """What every process has, in their order, for all of them."""
    if world_size() == 1:
        return [own]
    join()
    found: list[Item] = [own] * world_size()
    dist.all_gather_object(found, own)
    return found


def join() -> None:
    """Meet the other processes, unless that was done before."""
    if world_size() == 1 or dist.is_initialized():
        return
    missing = {"LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} - os.environ.keys()
    if missing:
        raise RecipeError(
            f"RANK and WORLD_SIZE are set, but not {', '.join(sorted(missing))}; start with torchrun, or unset them"
        )
    environment_number("MASTER_PORT", below=2**16)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    atexit.register(_leave)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def own_device(name: str) -> torch.device:
    """The device of this process: with several on a machine, each has a GPU of its own.

    Raises
    ------
    DeviceError
        If this computer does not have it.
    RecipeError
        If there are more processes than GPUs.
    """
    device = pick_device(name)
    if device.type != "cuda" or world_size() == 1:
        return device
    if local_rank() >= torch.cuda.device_count():
        raise RecipeError(
            f"{local_world_size()} processes on a machine with {torch.cuda.device_count()} GPUs; "
            "start one process a GPU (torchrun --nproc-per-node), or choose --device cpu"
        )
    torch.cuda.set_device(local_rank())
    return torch.device("cuda", local_rank())
