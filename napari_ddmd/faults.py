"""What went wrong on a device, in words that tell the user what to do."""

from __future__ import annotations

import torch

from napari_ddmd.without_values import hide_values

_OUT_OF_MEMORY = (
    *("out of memory", "can't allocate memory", "not enough memory", "alloc_failed"),
    "can't start new thread",  # each has a stack of its own, and a run goes on with fewer
)
# Parts of what CUDA, cuDNN, cuBLAS and Metal say, and what it means; the first that is found counts.
_MEANINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no kernel image", "not compatible with the current pytorch", "invalid device function"),
        "this torch was not built for this GPU; install a build that is, or choose device cpu",
    ),
    (
        ("driver version is insufficient", "driver on your system is too old"),
        "the GPU's driver is too old for this torch; update it, or choose device cpu",
    ),
    (
        ("device-side assert", "illegal memory access", "unspecified launch failure", "fallen off", "device lost"),
        "the GPU broke off; start napari anew, or choose device cpu",
    ),
    (
        ("devices are unavailable", "device is busy", "already in use"),
        "another program has the GPU to itself; close it, or choose device cpu",
    ),
    (
        ("initialization error", "cuda driver error", "no cuda gpus", "no cuda-capable", "found no nvidia driver"),
        "the GPU cannot be used; look whether nvidia-smi sees it, or choose device cpu",
    ),
    (("cudnn", "cublas"), "a library of the GPU failed; close what else uses the GPU, or choose device cpu"),
    (("mps backend", "metal"), "the Mac's GPU cannot compute this; choose device cpu"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory did not suffice, of whatever library it is."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return any(part in text for part in _OUT_OF_MEMORY)


def plain_reason(error: BaseException) -> str:
    """The error in one line: what it means and what to do where that is known, and in any case what was said."""
    said = " ".join(hide_values(str(error)).split())[:300] or type(error).__name__
    for parts, meaning in _MEANINGS:
        if any(part in said.lower() for part in parts):
            return f"{meaning} ({said[:120]})"
    return said
