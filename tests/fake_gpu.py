"""A GPU where there is none: torch's name of one, computed on the CPU, with as much memory as a test says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.model.bundle import DdmdNetworks
from napari_ddmd.results import SliceResult

GPU = "mps"


class FakeGpu:
    """What is on the GPU, and how much of it there may be.

    Attributes
    ----------
    most_slices
        In one batch on the GPU.
    holds_networks
        Whether they fit on it at all.
    batches
        The device and the size of every batch that was begun.
    """

    def __init__(self) -> None:
        self.most_slices = 1000
        self.holds_networks = True
        self.batches: list[tuple[str, int]] = []
        self.released = 0


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    gpu = FakeGpu()
    tensor_to, networks_to, compute = torch.Tensor.to, DdmdNetworks.to, CaseSampler.results

    def is_gpu(arguments: tuple[Any, ...]) -> bool:
        return bool(arguments) and isinstance(arguments[0], torch.device) and arguments[0].type == GPU

    def move(tensor: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        return tensor if is_gpu(arguments) else tensor_to(tensor, *arguments, **options)

    def move_networks(networks: DdmdNetworks, *arguments: Any, **options: Any) -> DdmdNetworks:
        if not is_gpu(arguments):
            return networks_to(networks, *arguments, **options)
        if not gpu.holds_networks:
            raise torch.OutOfMemoryError("MPS backend out of memory (MPS allocated: 9 GB)")
        return networks

    def results(run: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        gpu.batches.append((run.device.type, len(indices)))
        if run.device.type == GPU and len(indices) > gpu.most_slices:
            raise torch.OutOfMemoryError("MPS backend out of memory (MPS allocated: 9 GB)")
        return compute(run, indices)

    def release() -> None:
        gpu.released += 1

    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: [GPU, "cpu"])
    monkeypatch.setattr(torch.Tensor, "to", move)
    monkeypatch.setattr(DdmdNetworks, "to", move_networks)
    monkeypatch.setattr(CaseSampler, "results", results)
    # The numbers of rows differ by device, and with them the last digits.
    monkeypatch.setattr("napari_ddmd.case_sampler.rows_at_once", lambda device: 1)
    monkeypatch.setattr("napari_ddmd.masks.inference_dtype", lambda device: torch.float32)
    monkeypatch.setattr(torch.mps, "empty_cache", release)
    return gpu
