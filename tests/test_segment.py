"""One seed means one mask, whichever slices and batches; cancel, failures and bad settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Semaphore, current_thread
from threading import enumerate as enumerate_threads
from typing import Any

import numpy as np
import pytest
import torch

from napari_ddmd.case import Case
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.model import Bundle, untrained_bundle
from napari_ddmd.model.library import load_bundle
from napari_ddmd.segment import SAMPLERS, InferenceError, Progress, SliceResult, brain_slices, segment


@pytest.fixture(scope="module")
def reference(small_case: Case, tiny_bundle: Bundle) -> dict[int, SliceResult]:
    return {result.index: result for result in segment(small_case, tiny_bundle, samples=3, steps=2, seed=7)}


def test_default_is_every_slice_with_brain(small_case: Case, reference: dict[int, SliceResult]) -> None:
    assert list(reference) == brain_slices(small_case)
    for result in reference.values():
        shape = small_case.images.shape[2:]
        assert result.probability.shape == result.uncertainty.shape == shape
        assert result.samples.shape == (3, *shape)
        assert result.inter is not None
        assert result.intra is not None
        assert result.inter.shape == result.intra.shape == shape
        np.testing.assert_allclose(result.probability, result.samples.mean(axis=0), atol=1e-6)
        assert 0 <= result.uncertainty.min() <= result.uncertainty.max() <= 1
        outside = ~small_case.brain[result.index]
        assert not result.probability[outside].any()
        assert not result.inter[outside].any()


@pytest.mark.parametrize(
    ("places", "batch"), [([0], 1), ([5], 4), ([3, 1], 2), ([4, 0, 2], 5), ([1, 2, 3, 4], 3), ([5, 4, 3], 1)]
)
def test_a_mask_depends_on_its_slice_and_the_seed_alone(
    small_case: Case,
    tiny_bundle: Bundle,
    reference: dict[int, SliceResult],
    places: list[int],
    batch: int,
) -> None:
    wanted = [sorted(reference)[place] for place in places]
    found = segment(small_case, tiny_bundle, slices=wanted, samples=3, steps=2, seed=7, batch_size=batch)
    for index, result in zip(wanted, found, strict=True):
        assert result.index == index
        np.testing.assert_array_equal(result.samples, reference[index].samples)
        np.testing.assert_array_equal(result.inter, reference[index].inter)
        assert result.scores == reference[index].scores


@pytest.mark.parametrize(
    ("threads", "dtype"),
    [
        (1, torch.float32),
        (2, torch.float32),
        (2, torch.bfloat16),
        pytest.param(1, torch.bfloat16, marks=pytest.mark.torture),  # slow where no bfloat16 is multiplied
    ],
)
def test_the_shipped_model_gives_one_mask_whatever_the_batch_and_threads(
    small_case: Case, threads: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("masks", "workers"):
        monkeypatch.setattr(f"napari_ddmd.{user}.inference_dtype", lambda device: dtype)
    shipped = load_bundle("compact")
    wanted = brain_slices(small_case)[:5]

    def run(batch_size: int, slices: list[int]) -> list[SliceResult]:
        return list(segment(small_case, shipped, slices=slices, samples=4, seed=3, batch_size=batch_size))

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # one slice, and four: 16 rows, more than one evaluation takes
    try:
        together = {result.index: result for result in run(4, wanted)}
        torch.set_num_threads(threads)
        alone = run(1, wanted[::-2])
    finally:
        torch.set_num_threads(before)
    for result in alone:
        np.testing.assert_array_equal(result.samples, together[result.index].samples)
        np.testing.assert_array_equal(result.inter, together[result.index].inter)


def test_more_samples_keep_the_first_ones(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult]
) -> None:
    index = next(iter(reference))
    (more,) = segment(small_case, tiny_bundle, slices=[index], samples=5, steps=2, seed=7)
    np.testing.assert_array_equal(more.samples[:3], reference[index].samples)
    assert not np.array_equal(more.samples[3], more.samples[4])


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_slice_that_is_named_twice_comes_and_counts_twice(
    small_case: Case, tiny_bundle: Bundle, batch_size: int
) -> None:
    seen: list[Progress] = []
    asked: Any = {"slices": [4, 3, 4, 0], "samples": 2, "steps": 1, "batch_size": batch_size}
    results = segment(small_case, tiny_bundle, **asked, progress=seen.append)
    assert [result.index for result in results] == [4, 3, 4, 0]
    assert all(progress.done <= progress.total for progress in seen)
    assert seen[-1].done == seen[-1].total


def test_a_case_without_a_modality_has_no_maps(small_case: Case, tiny_bundle: Bundle) -> None:
    images = small_case.images.copy()
    images[2] = 0
    lacking = replace(small_case, images=images)
    (result,) = segment(lacking, tiny_bundle, slices=[brain_slices(small_case)[2]], samples=1)

    # 0 would pass for a finding
    assert (result.inter, result.intra, result.scores) == (None, None, None)
    assert result.probability.any()

    (empty,) = segment(lacking, tiny_bundle, slices=[0], samples=1)
    assert not small_case.brain[0].any()
    assert (empty.inter, empty.intra, empty.scores) == (None, None, None)


def test_another_seed_gives_other_samples(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult]
) -> None:
    index = next(iter(reference))
    (other,) = segment(small_case, tiny_bundle, slices=[index], samples=3, steps=2, seed=8)
    assert not np.array_equal(other.samples, reference[index].samples)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("variant", "prediction", "learned"),
    [("mini", "epsilon", True), ("light", "v", False), ("full", "x0", False)],
)
def test_every_sampler_runs_every_kind_of_model(
    small_case: Case, sampler: str, variant: str, prediction: str, learned: bool
) -> None:
    bundle = untrained_bundle(variant, prediction=prediction, learned_variance=learned)
    (result,) = segment(small_case, bundle, slices=[4], samples=2, steps=3, sampler=sampler)
    assert np.isfinite(result.samples).all()
    assert 0 <= result.samples.min() <= result.samples.max() <= 1


def test_one_step_is_the_prediction_from_noise(small_case: Case, tiny_bundle: Bundle) -> None:
    runs = [
        next(segment(small_case, tiny_bundle, slices=[4], samples=1, steps=1, sampler=sampler)).samples
        for sampler in SAMPLERS
    ]
    for run in runs[1:]:
        np.testing.assert_allclose(run, runs[0], atol=1e-5)


def test_progress_counts_to_the_end(small_case: Case, tiny_bundle: Bundle) -> None:
    seen: list[Progress] = []
    slices = brain_slices(small_case)
    list(segment(small_case, tiny_bundle, samples=2, steps=3, progress=seen.append))
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert seen[-1].done == seen[-1].total == len(slices) * 2 * 3
    assert seen[-1].remaining == 0
    assert seen[-1].computed == len(slices) * (1 + 2 * 2), "the first guess is made once a slice"
    assert "evaluations" in seen[0].message


@pytest.fixture
def one_worker() -> Iterator[None]:
    """Torch's threads are a run's workers; with one, batches come one after another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_worker")
def test_cancel_ends_the_stream_before_the_next_evaluation(small_case: Case, tiny_bundle: Bundle) -> None:
    cancel = Event()
    evaluations = 0
    forward = type(tiny_bundle.networks.denoiser).forward

    def stop_in_the_third(self: torch.nn.Module, *arguments: torch.Tensor) -> object:
        nonlocal evaluations
        evaluations += 1
        if evaluations == 3:
            cancel.set()
        return forward(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tiny_bundle.networks.denoiser), "forward", stop_in_the_third)
        results = list(segment(small_case, tiny_bundle, samples=1, steps=2, batch_size=1, cancel=cancel))
    assert evaluations == 3
    assert [result.index for result in results] == brain_slices(small_case)[:1]


def test_cancel_from_outside_leaves_no_thread_behind(small_case: Case, tiny_bundle: Bundle) -> None:
    cancel = Event()
    seen: list[Progress] = []

    def stop_at_once(progress: Progress) -> None:
        seen.append(progress)
        cancel.set()

    results = list(segment(small_case, tiny_bundle, samples=1, steps=50, cancel=cancel, progress=stop_at_once))
    assert results == []
    assert len(seen) < 50
    assert not [thread for thread in enumerate_threads() if thread.name.startswith("segment")]


def test_a_stream_that_is_not_read_to_its_end_stops(small_case: Case, tiny_bundle: Bundle) -> None:
    stream = segment(small_case, tiny_bundle, samples=1, steps=50, batch_size=1)
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    assert not [thread for thread in enumerate_threads() if thread.name.startswith("segment")]


def test_progress_comes_from_the_thread_that_iterates(small_case: Case, tiny_bundle: Bundle) -> None:
    threads: set[str] = set()
    list(segment(small_case, tiny_bundle, samples=1, progress=lambda _: threads.add(current_thread().name)))
    assert threads == {current_thread().name}


def test_what_progress_raises_is_raised(small_case: Case, tiny_bundle: Bundle) -> None:
    def refuse(_: Progress) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        list(segment(small_case, tiny_bundle, samples=1, progress=refuse))


def test_slices_without_brain_are_empty_and_cost_nothing(small_case: Case, tiny_bundle: Bundle) -> None:
    images = small_case.images.copy()
    images[:, 2] = 0
    case = Case.from_arrays("hollow", images)
    seen: list[Progress] = []
    results = list(segment(case, tiny_bundle, slices=[2, 4], samples=2, steps=1, progress=seen.append))
    assert [result.index for result in results] == [2, 4]
    assert not results[0].probability.any()
    assert results[0].scores.inter == 0
    assert results[0].scores.per_modality["t2"]["intra"] == 0
    assert seen[-1].total == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slices": [99]}, "slice 99 is outside"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"samples": 10**13}, "at most 1000, not 10000000000000"),
        ({"steps": 0}, "steps must be 1 to 1000"),
        ({"steps": 1001}, "steps must be 1 to 1000"),
        ({"sampler": "euler"}, "sampler must be one of ddim"),
        ({"samples": 2.5}, r"samples: 2\.5 is no whole number"),
        ({"seed": None}, "seed: None is no whole number"),
        ({"slices": [1.7]}, r"slices: 1\.7 is no whole number"),
        ({"batch_size": 1.5}, r"batch_size: 1\.5 is no whole number"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"device": "tpu"}, "device 'tpu' is not available"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(
    small_case: Case, tiny_bundle: Bundle, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        segment(small_case, tiny_bundle, **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("one_worker")
def test_the_first_slice_does_not_wait_for_a_batch(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = CaseSampler.results
    taken: list[list[int]] = []

    def note(self: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        taken.append(indices)
        return compute(self, indices)

    monkeypatch.setattr(CaseSampler, "results", note)
    wanted = list(reference)[:4]
    found = list(segment(small_case, tiny_bundle, slices=wanted, samples=1, steps=1, batch_size=3))
    assert taken == [wanted[:1], wanted[1:]]
    assert [result.index for result in found] == wanted


@pytest.mark.usefixtures("one_worker")
def test_a_slice_that_is_named_twice_counts_twice_when_memory_was_short(
    small_case: Case, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = CaseSampler.results

    def once_too_small(self: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        if len(indices) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(self, indices)

    monkeypatch.setattr(CaseSampler, "results", once_too_small)
    seen: list[Progress] = []
    asked: Any = {"slices": [4, 4, 4, 4, 3], "samples": 2, "steps": 1, "batch_size": 4}
    results = segment(small_case, tiny_bundle, **asked, progress=seen.append)
    assert [result.index for result in results] == [4, 4, 4, 4, 3]
    assert all(progress.done <= progress.total for progress in seen)
    assert (seen[-1].done, seen[-1].total) == (10, 10)


@pytest.mark.usefixtures("one_worker")
def test_batches_are_halved_until_they_fit(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = CaseSampler.results
    sizes: list[int] = []

    def small_memory(self: CaseSampler, indices: list[int]) -> dict[int, SliceResult]:
        sizes.append(len(indices))
        if len(indices) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(self, indices)

    monkeypatch.setattr(CaseSampler, "results", small_memory)
    seen: list[Progress] = []
    told: list[str] = []
    results = list(
        segment(
            small_case,
            tiny_bundle,
            samples=3,
            steps=2,
            seed=7,
            batch_size=4,
            progress=seen.append,
            remark=told.append,
        )
    )
    assert told == ["Memory was short: went on with 1 slice at a time."]
    assert sizes[:2] == [1, 4]
    assert sizes.count(1) == len(reference)
    assert [result.index for result in results] == list(reference)
    for result in results:
        np.testing.assert_array_equal(result.samples, reference[result.index].samples)
    assert seen[-1].done == seen[-1].total


def test_one_thread_goes_on_alone_when_there_is_no_memory_for_two(
    small_case: Case, tiny_bundle: Bundle, reference: dict[int, SliceResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = type(tiny_bundle.networks.denoiser).forward
    inside, both = Semaphore(1), Event()

    def room_for_one(self: torch.nn.Module, *arguments: torch.Tensor) -> object:
        if not inside.acquire(blocking=False):
            both.set()
            raise torch.OutOfMemoryError("CUDA out of memory")
        try:
            both.wait(0.2)
            return forward(self, *arguments)
        finally:
            inside.release()

    monkeypatch.setattr(type(tiny_bundle.networks.denoiser), "forward", room_for_one)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        told: list[str] = []
        results = list(segment(small_case, tiny_bundle, samples=3, steps=2, seed=7, batch_size=2, remark=told.append))
    finally:
        torch.set_num_threads(before)
    assert both.is_set()
    assert told[-1] == "Memory was short: went on with 1 slice at a time in one thread."
    assert [result.index for result in results] == list(reference)
    for result in results:
        np.testing.assert_array_equal(result.samples, reference[result.index].samples)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            "not enough memory on cpu for one slice with 3 samples",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "a library of the GPU failed"),
        (RuntimeError("first line\nsecond line"), "untrained failed on cpu: first line second line"),
    ],
)
def test_failures_become_one_line(
    small_case: Case,
    tiny_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    error: RuntimeError,
    message: str,
) -> None:
    def fail(*_: object) -> object:
        raise error

    monkeypatch.setattr(type(tiny_bundle.networks.denoiser), "forward", fail)
    with pytest.raises(InferenceError, match=message) as caught:
        list(segment(small_case, tiny_bundle, samples=3))
    assert not isinstance(caught.value, RuntimeError)
    assert "\n" not in str(caught.value)
