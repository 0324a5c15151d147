"""Memory that runs out in mid-run: what is done stays, the rest comes out of less, and what that is, is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch

from napari_ddmd.case import Case, find_case_files
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.model import Bundle
from napari_ddmd.predict import PredictSettings, predict_case
from napari_ddmd.segment import InferenceError, Progress, SliceResult, segment
from tests.fake_gpu import GPU, FakeGpu, fake_gpu

__all__ = ["fake_gpu"]

FAULTS: list[Callable[[], Exception]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    lambda: RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    lambda: RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    MemoryError,
]


@pytest.fixture(scope="module")
def reference(small_case: Case, tiny_bundle: Bundle) -> dict[int, SliceResult]:
    with pytest.MonkeyPatch.context() as patch:  # as on the fake GPU, whose rows are those of a CPU with float32
        patch.setattr("napari_ddmd.case_sampler.rows_at_once", lambda device: 1)
        patch.setattr("napari_ddmd.masks.inference_dtype", lambda device: torch.float32)
        return {result.index: result for result in segment(small_case, tiny_bundle, samples=2, steps=2, device="cpu")}


def assert_same(results: list[SliceResult], reference: dict[int, SliceResult]) -> None:
    assert [result.index for result in results] == list(reference)
    for result in results:
        np.testing.assert_array_equal(result.samples, reference[result.index].samples)
        np.testing.assert_array_equal(result.inter, reference[result.index].inter)


@pytest.mark.fault("Viewer", count=len(FAULTS))
def test_a_batch_that_does_not_fit_once_costs_nothing_but_time(
    small_case: Case, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, counting = CaseSampler.results, Lock()
    options: dict[str, Any] = {"slices": [2, 3, 4, 5], "samples": 1, "steps": 1, "batch_size": 2}
    expected = {result.index: result for result in segment(small_case, tiny_bundle, **options)}
    begun = at = 0
    fault = FAULTS[0]

    def fail_once(run: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        nonlocal begun
        with counting:
            begun += 1
            is_at = begun == at
        if is_at:
            raise fault()
        return compute(run, indices)

    monkeypatch.setattr(CaseSampler, "results", fail_once)
    for number, fault in enumerate(FAULTS):  # noqa: B007 (the function above reads it)
        begun, at = 0, 1 + number % 2
        told: list[str] = []
        assert_same(list(segment(small_case, tiny_bundle, **options, remark=told.append)), expected)
        assert begun > at
        assert len(told) == 1
        assert told[0].startswith("Memory was short: went on with 1 slice at a time")


@pytest.mark.fault("Viewer")
def test_a_gpu_that_is_too_small_for_one_slice_is_left_for_the_cpu(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult], fake_gpu: FakeGpu
) -> None:
    fake_gpu.most_slices = 0
    told: list[str] = []
    progress: list[Progress] = []
    found = list(segment(small_case, tiny_bundle, samples=2, steps=2, remark=told.append, progress=progress.append))
    assert_same(found, reference)
    assert fake_gpu.batches[0][0] == GPU
    assert fake_gpu.batches[-1][0] == "cpu"
    assert fake_gpu.released
    assert len(told) == 1
    assert told[0].startswith("Memory was short: the mps GPU has too little for one slice, went on with the CPU, ")
    assert {message.device for message in progress} == {"cpu"}
    assert progress[-1].done == progress[-1].total


@pytest.mark.fault("Viewer")
def test_what_a_gpu_has_done_before_its_memory_went_stays(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult], fake_gpu: FakeGpu
) -> None:
    found = []
    progress: list[Progress] = []
    for result in segment(small_case, tiny_bundle, samples=2, steps=2, batch_size=1, progress=progress.append):
        found.append(result)
        if len(found) == 2:
            fake_gpu.most_slices = 0  # another program took it
    assert_same(found, reference)
    assert {device for device, _ in fake_gpu.batches} == {GPU, "cpu"}
    assert list(dict.fromkeys(message.device for message in progress)) == [GPU, "cpu"]


@pytest.mark.fault("Viewer")
def test_networks_that_do_not_fit_on_a_gpu_run_on_the_cpu(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult], fake_gpu: FakeGpu
) -> None:
    fake_gpu.holds_networks = False
    told: list[str] = []
    assert_same(list(segment(small_case, tiny_bundle, samples=2, steps=2, remark=told.append)), reference)
    assert {device for device, _ in fake_gpu.batches} == {"cpu"}
    assert "went on with the CPU" in told[-1]


@pytest.mark.fault("Viewer")
def test_a_gpu_that_was_asked_for_by_name_is_not_left(small_case: Case, tiny_bundle: Bundle, fake_gpu: FakeGpu) -> None:
    fake_gpu.most_slices = 0
    with pytest.raises(InferenceError, match=r"not enough memory on mps .* choose device auto, which goes on with the"):
        list(segment(small_case, tiny_bundle, samples=2, steps=2, device=GPU))
    assert {device for device, _ in fake_gpu.batches} == {GPU}


@pytest.mark.fault("Viewer")
def test_a_cpu_that_is_too_small_as_well_ends_the_run_in_one_line(
    small_case: Case, tiny_bundle: Bundle, fake_gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> dict[int, SliceResult]:
        raise MemoryError

    monkeypatch.setattr(CaseSampler, "results", fail)
    with pytest.raises(InferenceError, match="not enough memory on cpu for one slice") as caught:
        list(segment(small_case, tiny_bundle, samples=2, steps=2))
    assert "\n" not in str(caught.value)


@pytest.mark.fault("Viewer")
def test_the_summary_names_what_really_computed(
    small_case_folder: Path, tiny_bundle: Bundle, fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    fake_gpu.most_slices = 0
    told: list[str] = []
    settings = PredictSettings(slices=(3, 5), samples=1, steps=1)
    done = predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path, settings, remark=told.append)
    assert done.summary["device"] == "cpu"
    assert "went on with the CPU" in told[-1]
