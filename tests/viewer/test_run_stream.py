from __future__ import annotations

import dataclasses
from collections.abc import Generator
from importlib import import_module
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

from napari_ddmd.case import MODALITIES, Case, CaseError
from napari_ddmd.device import DeviceError, device_line, pick_device
from napari_ddmd.missing import cost_of_missing
from napari_ddmd.model import Bundle, BundleError
from napari_ddmd.run_history import RunHistory
from napari_ddmd.segment import InferenceError, SliceResult
from napari_ddmd.viewer.run_settings import RunRequest, Sampling
from napari_ddmd.viewer.run_stream import RunOutcome, RunState, stream
from tests.viewer.conftest import GatedSegment


def drain(
    running: Generator[SliceResult, None, RunOutcome],
) -> tuple[list[SliceResult], RunOutcome]:
    results = []
    while True:
        try:
            results.append(next(running))
        except StopIteration as end:
            return results, end.value


@pytest.fixture
def request_(case: Case, tiny_bundle: Bundle) -> RunRequest:
    return RunRequest(case, tiny_bundle, Sampling(samples=2, steps=1), (4, 3, 5))


def test_the_pipeline_itself_is_streamed(request_: RunRequest) -> None:
    reports: list[Any] = []
    results, outcome = drain(stream(request_, Event(), reports.append))
    assert [result.index for result in results] == [4, 3, 5]
    assert all(len(result.samples) == 2 for result in results)
    assert outcome == RunOutcome(RunState.FINISHED)
    assert reports[-1].done == reports[-1].total == 6


def test_all_settings_reach_the_pipeline(case: Case, tiny_bundle: Bundle, gated: GatedSegment) -> None:
    sampling = Sampling(samples=2, steps=7, sampler="ddpm", seed=11, device="cpu")
    gated.allow(1)
    drain(stream(RunRequest(case, tiny_bundle, sampling, (2,)), Event(), lambda _: None))
    assert gated.requests == [
        {
            "slices": (2,),
            "samples": 2,
            "steps": 7,
            "sampler": "ddpm",
            "seed": 11,
            "device": "cpu",
            "in_background": True,
        }
    ]


def test_a_cancelled_run_keeps_what_came_in(request_: RunRequest, gated: GatedSegment) -> None:
    cancel = Event()
    running = stream(request_, cancel, lambda _: None)
    gated.allow(1)
    assert next(running).index == 4
    cancel.set()
    results, outcome = drain(running)
    assert results == []
    assert outcome.state is RunState.CANCELLED


@pytest.mark.parametrize(
    "error",
    [RuntimeError("x"), torch.OutOfMemoryError("CUDA out of memory"), InferenceError("y"), KeyError("z")],
)
def test_no_error_escapes(request_: RunRequest, gated: GatedSegment, error: Exception) -> None:
    gated.fail(error)
    results, outcome = drain(stream(request_, Event(), lambda _: None))
    assert results == []
    assert outcome.state is RunState.FAILED
    assert outcome.error is error


def test_refused_settings_are_told_apart_from_a_bug(
    case: Case, tiny_bundle: Bundle, request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = RunRequest(case, tiny_bundle, Sampling(samples=0, steps=1), (4,))
    _results, outcome = drain(stream(refused, Event(), lambda _: None))
    assert outcome.is_expected
    assert "samples must be at least 1" in outcome.reason
    fake = GatedSegment()
    monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", fake)
    fake.fail(ValueError("shapes differ"))
    _results, outcome = drain(stream(request_, Event(), lambda _: None))
    assert outcome.state is RunState.FAILED
    assert not outcome.is_expected


@pytest.mark.parametrize(
    ("error", "expected", "reason"),
    [
        (CaseError("flair: no\nfile"), True, "flair: no file"),
        (InferenceError("no memory"), True, "no memory"),
        (MemoryError(), True, "MemoryError"),
        (DeviceError("no cuda"), True, "no cuda"),
        (BundleError("no weights"), True, "no weights"),
        (OSError("disk"), True, "disk"),
        (ValueError("shapes differ"), False, "shapes differ"),
        (TypeError("a bug"), False, "a bug"),
    ],
)
def test_the_reason_is_one_line(error: Exception, expected: bool, reason: str) -> None:
    outcome = RunOutcome(RunState.FAILED, error)
    assert outcome.reason == reason
    assert outcome.is_expected is expected


def test_a_run_that_did_not_fail_has_no_reason() -> None:
    assert RunOutcome(RunState.FINISHED).reason == ""


def test_what_the_run_fell_back_to_is_in_the_outcome(request_: RunRequest, gated: GatedSegment) -> None:
    gated.remarks = [f"Memory was short: went on with {left}." for left in ("2 slices at a time", "1 slice at a time")]
    gated.allow(3)
    results, outcome = drain(stream(request_, Event(), lambda _: None))
    assert len(results) == 3
    assert outcome == RunOutcome(RunState.FINISHED, remarks=("Memory was short: went on with 1 slice at a time.",))


def test_a_whole_run_teaches_what_it_took(request_: RunRequest) -> None:
    drain(stream(request_, Event(), lambda _: None))
    (run,) = RunHistory().runs(request_.bundle.sha256, device_line(pick_device()))
    assert (run.slices, run.samples, run.steps, run.computed) == (3, 2, 1, 6)
    assert run.voxels == np.prod(request_.case.grid.shape)
    assert run.seconds > 0


def test_a_run_that_is_cancelled_or_falls_back_teaches_nothing(
    request_: RunRequest, gated: GatedSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[object] = []
    monkeypatch.setattr("napari_ddmd.viewer.run_stream._learn", lambda *run: taught.append(run))
    gated.remarks = ["Memory was short."]
    gated.allow(3)
    drain(stream(request_, Event(), lambda _: None))
    cancel = Event()
    cancel.set()
    drain(stream(request_, cancel, lambda _: None))
    assert taught == []
    gated.allow(3)
    drain(stream(request_, Event(), lambda _: None))
    assert len(taught) == 1


def without(case: Case, *modalities: str) -> Case:
    images = case.images.copy()
    images[[MODALITIES.index(modality) for modality in modalities]] = 0
    return dataclasses.replace(case, images=images)


def test_a_missing_modality_must_be_allowed(request_: RunRequest) -> None:
    lacking = dataclasses.replace(request_, case=without(request_.case, "t2"))
    results, outcome = drain(stream(lacking, Event(), lambda _: None))
    assert results == []
    assert outcome.is_expected
    assert "no T2 image" in outcome.reason

    allowed = dataclasses.replace(lacking, allow_missing=True)
    assert allowed.without({4}).allow_missing
    results, outcome = drain(stream(allowed, Event(), lambda _: None))
    assert len(results) == 3
    assert outcome.state is RunState.FINISHED
    assert outcome.remarks == (cost_of_missing("t2"),)
    for result in results:
        assert (result.inter, result.intra, result.scores) == (None, None, None)
        assert result.samples.shape[0] == 2


def test_a_run_that_is_left_ends_its_threads(request_: RunRequest, gated: GatedSegment) -> None:
    running = stream(request_, Event(), lambda _: None)
    gated.allow()
    next(running)
    running.close()
    assert gated.stopped.wait(5)


def test_two_missing_modalities_are_refused_all_the_same(request_: RunRequest) -> None:
    lacking = dataclasses.replace(request_, case=without(request_.case, "t2", "flair"), allow_missing=True)
    _results, outcome = drain(stream(lacking, Event(), lambda _: None))
    assert outcome.state is RunState.FAILED
    assert "no T2 and FLAIR image" in outcome.reason
