"""Devices are picked by what is there, and the memory is estimated before a run."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from napari_ddmd.device import (
    DeviceError,
    MemoryEstimate,
    available_devices,
    default_batch_size,
    estimate_memory,
    pick_device,
)
from napari_ddmd.model import Bundle


def test_auto_takes_the_best_and_cpu_is_always_there() -> None:
    assert available_devices()[-1] == "cpu"
    assert pick_device("auto").type == available_devices()[0]
    assert pick_device("cpu") == torch.device("cpu")


def test_a_missing_device_is_named_with_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"'cuda' is not available here; choose one of auto, .*cpu"):
        pick_device("cuda")


def test_the_estimate_grows_with_samples_and_batch(tiny_bundle: Bundle) -> None:
    def needed(samples: int, batch: int) -> float:
        return estimate_memory(tiny_bundle, samples=samples, batch_size=batch, device="cpu").needed_mb

    base = needed(0, 1)
    assert base > 0
    assert needed(4, 1) - base == pytest.approx(4 * (needed(1, 1) - base))
    assert needed(2, 3) - base == pytest.approx(6 * (needed(1, 1) - base))


def test_the_estimate_grows_with_the_threads_that_compute(tiny_bundle: Bundle) -> None:
    def needed(samples: int) -> float:
        return estimate_memory(tiny_bundle, samples=samples, batch_size=1, device="cpu").needed_mb

    before = torch.get_num_threads()
    grown = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            grown.append(needed(1) - needed(0))
    finally:
        torch.set_num_threads(before)
    assert grown[1] == pytest.approx(3 * grown[0])


def test_what_does_not_fit_is_said() -> None:
    estimate = MemoryEstimate(2048.0, 4096.0, "cuda")
    assert estimate.fits
    assert str(estimate) == "about 2.0 GiB of 4.0 GiB free on cuda"
    small = replace(estimate, available_mb=1024.0)
    assert not small.fits
    assert "expect smaller batches" in str(small)
    assert replace(estimate, available_mb=None).fits


def test_free_memory_is_what_the_system_tells(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=3 * 2**20))
    estimate = estimate_memory(tiny_bundle, samples=1, batch_size=1, device="cpu")
    assert estimate.available_mb == 3
    assert not estimate.fits


def test_free_memory_may_be_unknown(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError("not told")

    monkeypatch.setattr("psutil.virtual_memory", refuse)
    estimate = estimate_memory(tiny_bundle, samples=1, batch_size=1, device="cpu")
    assert estimate.available_mb is None
    assert estimate.fits


def test_batches_are_larger_off_the_cpu() -> None:
    assert default_batch_size(torch.device("cpu")) < default_batch_size(torch.device("cuda"))
