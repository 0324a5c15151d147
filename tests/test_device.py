"""Devices are picked by what is there, and the memory is estimated before a run."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from napari_ddmd.device import (
    DeviceError,
    MemoryEstimate,
    available_devices,
    default_batch_size,
    device_line,
    estimate_memory,
    no_gpu,
    pick_device,
)
from napari_ddmd.model import Bundle

SHAPE = (10, 64, 64)


def test_auto_takes_the_best_and_cpu_is_always_there() -> None:
    assert available_devices()[-1] == "cpu"
    assert pick_device("auto").type == available_devices()[0]
    assert pick_device("cpu") == torch.device("cpu")


def test_a_missing_device_is_named_with_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"'cuda' is not available here; choose one of auto, .*cpu"):
        pick_device("cuda")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("cuda:2", "'cuda:2' is not available here; the last one is cuda:1"),
        ("cuda:x", "'cuda:x' is not a device; choose one of auto, cuda, cpu"),
        ("cpu:1", "'cpu:1' is not available here; the last one is cpu:0"),
    ],
)
def test_a_number_that_no_device_has_is_named(name: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match=complaint):
        pick_device(name)


def test_the_estimate_grows_with_samples_and_batch(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    # How many masks an evaluation takes depends on the processor.
    monkeypatch.setattr("napari_ddmd.workers.rows_at_once", lambda _device: 8)

    def needed(samples: int, batch: int, bundle: Bundle = tiny_bundle) -> float:
        return estimate_memory(bundle, samples=samples, batch_size=batch, device="cpu").needed_mb

    base = needed(0, 1)
    assert base > 0
    assert needed(4, 1) - base == pytest.approx(4 * (needed(1, 1) - base))
    assert needed(2, 3) - needed(2, 2) == pytest.approx(needed(2, 2) - needed(2, 1)), "each slice costs the same"


def test_more_masks_than_an_evaluation_takes_cost_no_more_activations(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.workers.inference_dtype", lambda device: torch.bfloat16)

    def needed(samples: int) -> float:
        return estimate_memory(tiny_bundle, samples=samples, batch_size=1, device="cpu").needed_mb

    assert 0 < needed(31) - needed(30) < needed(15) - needed(14)


def test_the_estimate_grows_with_the_threads_that_compute(tiny_bundle: Bundle) -> None:
    def needed(samples: int) -> float:
        return estimate_memory(tiny_bundle, samples=samples, batch_size=1, device="cpu", shape=SHAPE).needed_mb

    before = torch.get_num_threads()
    grown = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            grown.append(needed(1) - needed(0) - math.prod(SHAPE) / 2**20)
    finally:
        torch.set_num_threads(before)
    assert grown[1] == pytest.approx(3 * grown[0])


def test_the_estimate_holds_the_normalised_case_and_the_masks(tiny_bundle: Bundle) -> None:
    def needed(slices: int) -> float:
        return estimate_memory(tiny_bundle, samples=3, batch_size=1, device="cpu", shape=(slices, 64, 64)).needed_mb

    assert needed(200) - needed(100) == pytest.approx((4 * 4 + 3) * 100 * 64 * 64 / 2**20)


def test_what_does_not_fit_is_said() -> None:
    estimate = MemoryEstimate(2048.0, 4096.0, "cuda")
    assert estimate.fits
    assert str(estimate) == "about 2.0 GiB of 4.0 GiB free on cuda"
    small = replace(estimate, available_mb=1024.0)
    assert not small.fits
    assert str(small) == "about 2.0 GiB of 1.0 GiB free on cuda: expect smaller batches"
    assert replace(small, least_mb=1500.0).warning == "not even one slice may fit"
    assert replace(small, least_mb=1500.0, has_cpu_left=True).warning == "it may go on on the CPU"
    assert replace(small, least_mb=1000.0).warning == "expect smaller batches"
    unknown = replace(estimate, available_mb=None)
    assert unknown.fits
    assert unknown.warning == ""


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


def test_one_slice_in_one_thread_is_the_least(tiny_bundle: Bundle) -> None:
    estimate = estimate_memory(tiny_bundle, samples=5, batch_size=8, device="cpu")
    assert 0 < estimate.least_mb < estimate.needed_mb
    assert estimate.least_mb <= estimate_memory(tiny_bundle, samples=5, batch_size=1, device="cpu").needed_mb


def test_the_device_is_told_with_its_precision_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.device.inference_dtype", lambda device: torch.bfloat16)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert device_line(torch.device("cpu")) == "cpu, bfloat16, 1 thread"
        torch.set_num_threads(2)
        assert device_line(torch.device("cpu")) == "cpu, bfloat16, 2 threads"
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A1")
    assert device_line(torch.device("cuda")) == "NVIDIA A1, bfloat16"


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("Found no NVIDIA driver on your system. Please check", "no NVIDIA driver was found"),
        ("The NVIDIA driver on your system is too old (found version 11040).", "driver is too old"),
        ("No CUDA GPUs are available", "torch sees none"),
    ],
)
def test_why_there_is_no_gpu(said: str, short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: ["cpu"])
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    found = no_gpu()
    assert found is not None
    assert short in found.short
    assert found.reason.startswith(said[:20])


def test_a_torch_without_gpu_support_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: ["cpu"])
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    found = no_gpu()
    assert found is not None
    assert found.short == "torch is built without GPU support"


def test_where_there_is_a_gpu_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_ddmd.device.available_devices", lambda: ["cuda", "cpu"])
    assert no_gpu() is None
