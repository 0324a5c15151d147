"""Denoiser calls that are saved, and what is lost by it: nothing but chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_ddmd.case import Case
from napari_ddmd.first_guess import FirstGuess
from napari_ddmd.model import Bundle, untrained_bundle
from napari_ddmd.segment import SliceResult, brain_slices, segment

SAMPLES = 3


class Recorder:
    """A network that notes what it is asked and answers with the sum of the noisy mask and the slice's condition."""

    def __init__(self, *conditioning: Tensor) -> None:
        self.conditioning = torch.stack(conditioning)
        self.asked: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, x_t: Tensor, t: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append((x_t, t, masks))
        return x_t + self.conditioning[masks // SAMPLES], torch.ones_like(x_t)


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(2 * SAMPLES, 1, 4, 4, generator=torch.Generator().manual_seed(0))


HEALTHY, LESION = torch.full((1, 4, 4), -9.0), torch.zeros(1, 4, 4)


def times(t: int) -> Tensor:
    return torch.full((2 * SAMPLES,), t)


def test_the_first_estimate_is_made_once_a_slice(noise: Tensor) -> None:
    network = Recorder(HEALTHY, LESION)
    guess = FirstGuess(network, 2, SAMPLES, 0.0)
    output, variance = guess(noise, times(999))

    (asked,) = network.asked
    assert torch.equal(asked[0], noise[::SAMPLES])
    assert variance is None
    torch.testing.assert_close(output[:SAMPLES], (noise[:1] + HEALTHY).expand(SAMPLES, -1, -1, -1))
    torch.testing.assert_close(output[SAMPLES:], (noise[SAMPLES : SAMPLES + 1] + LESION).expand(SAMPLES, -1, -1, -1))


def test_every_mask_then_goes_on_by_itself(noise: Tensor) -> None:
    network = Recorder(HEALTHY, LESION)
    guess = FirstGuess(network, 2, SAMPLES, 0.0)
    guess(noise, times(999))
    output, _ = guess(2 * noise, times(499))
    torch.testing.assert_close(output[:SAMPLES], 2 * noise[:SAMPLES] + HEALTHY)
    torch.testing.assert_close(output[SAMPLES:], 2 * noise[SAMPLES:] + LESION)
    assert torch.equal(network.asked[1][1], times(499))
    assert network.asked[1][2].tolist() == list(range(2 * SAMPLES))


def test_each_of_two_denoisers_makes_a_first_estimate_for_its_own_masks(noise: Tensor) -> None:
    network = Recorder(HEALTHY, LESION)
    guess = FirstGuess(network, 2, SAMPLES, 0.0, turns=2)
    output, _ = guess(noise, times(999))

    (asked,) = network.asked
    assert asked[2].tolist() == [0, 1, SAMPLES, SAMPLES + 1]
    for number in range(SAMPLES):
        torch.testing.assert_close(output[number], noise[number % 2] + HEALTHY)
        torch.testing.assert_close(output[SAMPLES + number], noise[SAMPLES + number % 2] + LESION)


def test_the_masks_of_the_denoiser_that_doubts_go_on_alone(noise: Tensor) -> None:
    def network(x_t: Tensor, t: Tensor, masks: Tensor) -> tuple[Tensor, None]:
        sick = (masks // SAMPLES == 1) & (masks % SAMPLES % 2 == 1)  # the second denoiser sees it in the second slice
        return torch.where(sick, 0.0, -9.0).view(-1, 1, 1, 1).expand_as(x_t), None

    guess = FirstGuess(network, 2, SAMPLES, 0.05, turns=2)
    guess(noise, times(999))
    asked: list[Tensor] = []
    guess.network = lambda x_t, t, masks: (asked.append(masks), network(x_t, t, masks))[1]
    guess(noise, times(499))
    assert [masks.tolist() for masks in asked] == [[SAMPLES + 1]], "whatever the others are sure of"


def test_there_are_no_more_first_estimates_than_masks(noise: Tensor) -> None:
    network = Recorder(HEALTHY, LESION)
    FirstGuess(network, 2, SAMPLES, 0.0, turns=SAMPLES + 4)(noise, times(999))
    assert network.asked[0][2].tolist() == list(range(2 * SAMPLES))


def test_a_slice_without_a_trace_of_lesion_keeps_its_first_estimate(noise: Tensor) -> None:
    network = Recorder(HEALTHY, LESION)
    guess = FirstGuess(network, 2, SAMPLES, 0.05)
    first, _ = guess(noise, times(999))
    before = first.clone()
    second, _ = guess(2 * noise, times(499))

    assert len(network.asked[1][0]) == SAMPLES, "the slice with lesion alone"
    assert torch.equal(second[:SAMPLES], first[:SAMPLES])
    torch.testing.assert_close(second[SAMPLES:], 2 * noise[SAMPLES:] + LESION)
    assert torch.equal(first, before), "what a sampler may still hold is not changed"


def test_no_evaluation_is_made_where_nothing_is_in_doubt(noise: Tensor) -> None:
    network = Recorder(HEALTHY, HEALTHY)
    guess = FirstGuess(network, 2, SAMPLES, 0.05)
    first, _ = guess(noise, times(999))
    second, _ = guess(2 * noise, times(499))
    assert len(network.asked) == 1
    assert torch.equal(first, second)


def sampling(bundle: Bundle, **changes: object) -> Bundle:
    settings = bundle.settings
    return replace(bundle, settings=replace(settings, sampling=replace(settings.sampling, **changes)))  # type: ignore[arg-type]


def run(case: Case, bundle: Bundle, **options: object) -> list[SliceResult]:
    return list(segment(case, bundle, slices=brain_slices(case)[:3], samples=SAMPLES, **options))  # type: ignore[arg-type]


def evaluated(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every evaluation from here on."""
    rows: list[int] = []
    forward = type(bundle.networks.denoiser).forward

    def counted(self: torch.nn.Module, x_t: Tensor, *rest: Tensor) -> object:
        rows.append(len(x_t))
        return forward(self, x_t, *rest)

    monkeypatch.setattr(type(bundle.networks.denoiser), "forward", counted)
    return rows


@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
def test_segment_saves_evaluations(
    small_case: Case, tiny_bundle: Bundle, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = evaluated(tiny_bundle, monkeypatch)
    results = run(small_case, tiny_bundle, steps=3, sampler=sampler)
    assert sum(rows) == 3 * (1 + 2 * SAMPLES)
    assert all(not np.array_equal(result.samples[0], result.samples[1]) for result in results)


@pytest.mark.parametrize(
    ("options", "prediction"),
    [
        ({"steps": 3, "sampler": "ddpm"}, "x0"),  # the paper's sampler stays as it is
        ({"steps": 1, "sampler": "ddim"}, "x0"),  # all masks would be one
        ({"steps": 3, "sampler": "ddim"}, "epsilon"),  # what is estimated is the noise itself
        ({"steps": 3, "sampler": "ddim"}, "v"),
    ],
)
def test_nothing_is_shared_where_it_would_not_be_right(
    small_case: Case, options: dict[str, object], prediction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = untrained_bundle(prediction=prediction)
    rows = evaluated(bundle, monkeypatch)
    results = run(small_case, bundle, **options)
    assert sum(rows) == 3 * SAMPLES * int(str(options["steps"]))
    others = run(small_case, sampling(bundle, shared_guess=False), **options)
    for result, other in zip(results, others, strict=True):
        np.testing.assert_array_equal(result.samples, other.samples)


def test_the_first_mask_is_the_one_that_it_would_be_alone(small_case: Case, tiny_bundle: Bundle) -> None:
    shared = run(small_case, tiny_bundle, steps=2)
    own = run(small_case, sampling(tiny_bundle, shared_guess=False), steps=2)
    for result, other in zip(shared, own, strict=True):
        np.testing.assert_array_equal(result.samples[0], other.samples[0])


def test_a_healthy_slice_ends_with_its_first_guess(
    small_case: Case, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = sampling(tiny_bundle, healthy_below=1.0)
    (first,) = zip(*(result.samples[:1] for result in run(small_case, tiny_bundle, steps=1)), strict=True)
    rows = evaluated(tiny_bundle, monkeypatch)
    results = run(small_case, sure, steps=2)
    assert sum(rows) == 3
    for result, guess in zip(results, first, strict=True):
        for mask in result.samples:
            np.testing.assert_array_equal(mask, guess)
