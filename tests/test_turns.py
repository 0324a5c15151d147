"""Denoisers that take turns: each mask of a slice is the work of one of them, and of no other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ddmd.case import Case
from napari_ddmd.cost import measure_pace
from napari_ddmd.denoising import denoising_sequence
from napari_ddmd.device import estimate_memory
from napari_ddmd.model import Bundle, BundleError, Denoiser, read_bundle, save_bundle, untrained_bundle
from napari_ddmd.model.bundle import DdmdNetworks, new_bundle
from napari_ddmd.segment import Progress, SliceResult, brain_slices, segment
from tests.fake_gpu import GPU, FakeGpu, fake_gpu

__all__ = ["fake_gpu"]

SAMPLES = 3


@pytest.fixture(scope="module")
def alone() -> tuple[Bundle, Bundle]:
    """Two models with the same autoencoders and other denoisers."""
    return with_the_denoiser_of(untrained_bundle(), untrained_bundle(seed=1))


@pytest.fixture(scope="module")
def together(alone: tuple[Bundle, Bundle]) -> Bundle:
    """The model in which the two denoisers take turns."""
    return taking_turns(*alone)


def with_the_denoiser_of(first: Bundle, second: Bundle) -> tuple[Bundle, Bundle]:
    networks = DdmdNetworks(first.settings)
    networks.load_state_dict(first.networks.state_dict())
    networks.denoiser.load_state_dict(second.networks.denoiser.state_dict())
    return first, made(first, networks)


def taking_turns(first: Bundle, second: Bundle) -> Bundle:
    settings = replace(first.settings, denoiser=replace(first.settings.denoiser, members=2))
    networks = DdmdNetworks(settings)
    networks.load_state_dict(first.networks.state_dict(), strict=False)
    networks.denoisers[1].load_state_dict(second.networks.denoiser.state_dict())
    return made(replace(first, settings=settings), networks)


def made(like: Bundle, networks: DdmdNetworks) -> Bundle:
    return new_bundle(like.settings, networks, name=like.name, version="0", provenance={}, card="Random weights.")


def assert_same(found: list[SliceResult], expected: list[SliceResult]) -> None:
    for left, right in zip(found, expected, strict=True):
        assert left.index == right.index
        np.testing.assert_array_equal(left.samples, right.samples)


def sampled(bundle: Bundle, *, shared_guess: bool) -> Bundle:
    settings = bundle.settings
    return replace(bundle, settings=replace(settings, sampling=replace(settings.sampling, shared_guess=shared_guess)))


def run(case: Case, bundle: Bundle, **options: object) -> list[SliceResult]:
    wanted = {"slices": brain_slices(case)[:2], "samples": SAMPLES} | options
    return list(segment(case, bundle, **wanted))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"steps": 2, "sampler": "ddim"}, {"steps": 3, "sampler": "ddpm"}])
def test_every_mask_is_drawn_by_the_denoiser_whose_turn_it_is(
    options: dict[str, object], small_case: Case, alone: tuple[Bundle, Bundle], together: Bundle
) -> None:
    results = run(small_case, sampled(together, shared_guess=False), **options)
    by_one = [run(small_case, sampled(bundle, shared_guess=False), **options) for bundle in alone]
    for place, result in enumerate(results):
        for number in range(SAMPLES):
            np.testing.assert_array_equal(result.samples[number], by_one[number % 2][place].samples[number])
            assert not np.array_equal(result.samples[number], by_one[1 - number % 2][place].samples[number])


def test_a_first_estimate_is_shared_by_the_masks_of_one_denoiser(
    small_case: Case, alone: tuple[Bundle, Bundle], together: Bundle
) -> None:
    (result, *_), (first, *_) = run(small_case, together), run(small_case, alone[0])
    for number in (0, 2):
        np.testing.assert_array_equal(result.samples[number], first.samples[number])


def test_one_mask_is_that_of_the_first_denoiser(
    small_case: Case, alone: tuple[Bundle, Bundle], together: Bundle
) -> None:
    for result, first in zip(run(small_case, together, samples=1), run(small_case, alone[0], samples=1), strict=True):
        np.testing.assert_array_equal(result.samples, first.samples)


@pytest.mark.parametrize("shared_guess", [True, False])
def test_a_mask_does_not_depend_on_how_many_are_drawn(shared_guess: bool, small_case: Case, together: Bundle) -> None:
    bundle = sampled(together, shared_guess=shared_guess)
    # Some slices end with the estimate of one denoiser, and go on with that of the other.
    guesses = [result.samples.reshape(2, -1).max(axis=1) for result in run(small_case, bundle, samples=2, steps=1)]
    between = float(np.mean(guesses[0]))
    assert 0 < between < 1
    assert not np.isclose(*guesses[0])
    bundle = replace(
        bundle,
        settings=replace(bundle.settings, sampling=replace(bundle.settings.sampling, healthy_below=between)),
    )
    few, many = (run(small_case, bundle, samples=samples) for samples in (1, 4))
    for one, all_of_them in zip(few, many, strict=True):
        np.testing.assert_array_equal(one.samples[0], all_of_them.samples[0])


def test_the_batch_changes_no_mask(small_case: Case, together: Bundle) -> None:
    one, two = (run(small_case, together, batch_size=size) for size in (1, 2))
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left.samples, right.samples)


def test_learned_variances_stay_with_their_masks(small_case: Case) -> None:
    models = (untrained_bundle(prediction="epsilon", learned_variance=True, seed=seed) for seed in range(2))
    alone = with_the_denoiser_of(*models)
    (result, *_), *by_one = (
        run(small_case, bundle, steps=3, sampler="ddpm") for bundle in (taking_turns(*alone), *alone)
    )
    for number in range(SAMPLES):
        np.testing.assert_array_equal(result.samples[number], by_one[number % 2][0].samples[number])


@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("call", [0, 3])
def test_memory_that_runs_out_in_the_second_denoiser_changes_no_mask(
    call: int, small_case: Case, together: Bundle
) -> None:
    told: list[str] = []
    slices = brain_slices(small_case)[:4]
    expected = run(small_case, together, slices=slices, device="cpu")
    calls = iter(range(1000))

    def fail_once(*_: object) -> None:
        if next(calls) == call:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = together.networks.denoisers[1].register_forward_pre_hook(fail_once)
    try:
        found = run(small_case, together, slices=slices, device="cpu", batch_size=2, remark=told.append)
    finally:
        hook.remove()
    assert told[0].startswith("Memory was short: went on with 1 slice at a time")
    assert_same(found, expected)


@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("holds_networks", [True, False])
def test_going_on_with_the_cpu_changes_no_mask(
    holds_networks: bool, small_case: Case, together: Bundle, fake_gpu: FakeGpu
) -> None:
    slices = brain_slices(small_case)[:5]
    expected = run(small_case, together, slices=slices, device="cpu")
    fake_gpu.batches.clear()
    fake_gpu.holds_networks = holds_networks
    found = []
    for result in segment(small_case, together, slices=slices, samples=SAMPLES, batch_size=1):
        found.append(result)
        fake_gpu.most_slices = 0
    assert {device for device, _ in fake_gpu.batches} == ({GPU, "cpu"} if holds_networks else {"cpu"})
    assert_same(found, expected)


def test_chosen_slices_come_out_as_with_all_others(small_case: Case, together: Bundle) -> None:
    slices = brain_slices(small_case)
    every = run(small_case, together, slices=slices)
    chosen = run(small_case, together, slices=[slices[4], slices[1]])
    assert_same(chosen, [every[4], every[1]])


def test_first_estimates_of_both_denoisers_are_counted(small_case: Case, together: Bundle) -> None:
    sampling = replace(together.settings.sampling, healthy_below=0.0)
    bundle = replace(together, settings=replace(together.settings, sampling=sampling))
    told: list[Progress] = []
    run(small_case, bundle, steps=2, progress=told.append)
    assert told[-1].computed == 2 * (2 + SAMPLES)
    assert told[-1].done == told[-1].total == 2 * 2 * SAMPLES


def test_the_pace_is_that_of_one_denoiser(together: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: set[int] = set()
    forward = Denoiser.forward

    def watched(self: Denoiser, *arguments: torch.Tensor) -> object:
        evaluated.add(id(self))
        return forward(self, *arguments)

    monkeypatch.setattr(Denoiser, "forward", watched)
    measure_pace(together, torch.device("cpu"))
    assert len(evaluated) == 1
    assert len(together.networks.denoisers) == 2


def test_memory_is_that_of_one_denoiser_at_a_time_and_of_both_weights(
    alone: tuple[Bundle, Bundle], together: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.workers.rows_at_once", lambda _device: None)

    def needed(bundle: Bundle, samples: int) -> float:
        return estimate_memory(bundle, samples=samples, batch_size=1, device="cpu").needed_mb

    weights = sum(parameter.numel() for parameter in together.networks.partners.parameters()) * 4 / 2**20
    assert needed(together, 1) - needed(alone[0], 1) == pytest.approx(weights)
    assert needed(together, 4) < needed(alone[0], 4)


def test_a_mask_is_watched_in_the_hands_of_its_own_denoiser(small_case: Case, together: Bundle) -> None:
    index = brain_slices(small_case)[0]
    (result,) = run(small_case, together, slices=[index])
    for number in range(SAMPLES):
        watched = denoising_sequence(small_case, together, index, number=number)
        np.testing.assert_allclose(watched.estimates[-1], result.samples[number], atol=1e-6)


def test_the_model_comes_back_from_its_file(tmp_path: Path, together: Bundle) -> None:
    read = read_bundle(save_bundle(tmp_path / "model", together))
    assert read.settings.denoiser.members == len(read.networks.denoisers) == 2
    for one, two in zip(together.networks.denoisers, read.networks.denoisers, strict=True):
        for key, value in one.state_dict().items():
            assert torch.equal(value, two.state_dict()[key])


def test_a_model_that_says_nothing_of_turns_has_one_denoiser(tmp_path: Path, alone: tuple[Bundle, Bundle]) -> None:
    folder = save_bundle(tmp_path / "model", alone[0])
    description = json.loads((folder / "model.json").read_text())
    del description["settings"]["denoiser"]["members"]
    description["settings_sha256"] = hash_of(description["settings"])
    (folder / "model.json").write_text(json.dumps(description))
    assert read_bundle(folder).settings.denoiser.members == 1


def test_a_denoiser_that_is_missing_from_the_file_is_named(
    tmp_path: Path, alone: tuple[Bundle, Bundle], together: Bundle
) -> None:
    folder = save_bundle(tmp_path / "one", alone[0])
    several = json.loads((save_bundle(tmp_path / "two", together) / "model.json").read_text())
    several["weights_sha256"] = alone[0].sha256
    (folder / "model.json").write_text(json.dumps(several))
    with pytest.raises(BundleError, match=r"lacks tensor partners\.0\."):
        read_bundle(folder)


def hash_of(settings: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
