"""What devices say when they fail becomes a line that tells what to do."""

from __future__ import annotations

import pytest
import torch

from napari_ddmd.faults import is_out_of_memory, plain_reason


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("x"),
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
    ],
)
def test_memory_that_does_not_suffice_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "not built for this GPU"),
        ("The NVIDIA driver on your system is too old (found version 11040).", "driver is too old"),
        ("CUDA error: an illegal memory access\nwas encountered", "the GPU broke off"),
        ("CUDA-capable device(s) is/are busy: all CUDA-capable devices are unavailable", "another program"),
        ("CUDA driver initialization failed: initialization error", "cannot be used"),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "a library of the GPU failed"),
        ("MPS backend does not support this", "the Mac's GPU"),
    ],
)
def test_what_a_gpu_says_is_put_plainly(said: str, meaning: str) -> None:
    assert not is_out_of_memory(RuntimeError(said))
    reason = plain_reason(RuntimeError(said))
    assert meaning in reason
    assert "choose device cpu" in reason
    assert said.split("\n")[0][:40] in reason
    assert "\n" not in reason


def test_what_is_not_known_is_passed_on() -> None:
    assert plain_reason(RuntimeError("mat1 and\nmat2")) == "mat1 and mat2"
    assert plain_reason(KeyboardInterrupt()) == "KeyboardInterrupt"
