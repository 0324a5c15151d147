"""Masks sampled from any denoiser: by its key each, and in the terms of what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_ddmd.masks import sample_masks
from napari_ddmd.model import ModelSettings, untrained_bundle
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.noise import MaskKey, mask_noise

SIDE = 8
SCHEDULE = NoiseSchedule.linear()
KEYS: list[MaskKey] = [(2, 0), (2, 1), (7, 0)]


def settings_of(prediction: str = "x0", learned_variance: bool = False) -> ModelSettings:
    return untrained_bundle("mini", frame_size=SIDE, prediction=prediction, learned_variance=learned_variance).settings


def truth(count: int) -> Tensor:
    """Masks in {−1, 1}, each another one."""
    masks = torch.full((count, 1, SIDE, SIDE), -1.0)
    for place in range(count):
        masks[place, :, place : place + 3, 2:5] = 1
    return masks


def sampled(denoise: Any, settings: ModelSettings, keys: Sequence[MaskKey] = KEYS, **options: Any) -> Tensor:
    chosen = {"sampler": "ddim", "steps": 4, "seed": 1, "device": torch.device("cpu")} | options
    return sample_masks(denoise, keys, settings, **chosen)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
@pytest.mark.parametrize("prediction", ["x0", "v", "epsilon"])
def test_a_denoiser_that_knows_the_masks_gives_them(prediction: str, sampler: str) -> None:
    settings, x0 = settings_of(prediction), truth(3)

    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        if prediction == "x0":
            return 40 * x0, None
        root = SCHEDULE.alphas_cumprod[t].view(-1, 1, 1, 1).to(x_t.dtype)
        noise = (x_t - root.sqrt() * x0) / (1 - root).sqrt()
        return SCHEDULE.target(x0, noise, t, settings.diffusion.prediction), None

    masks = sampled(denoise, settings, sampler=sampler)

    assert masks.shape == (3, SIDE, SIDE)
    torch.testing.assert_close(masks, (x0[:, 0] + 1) / 2, atol=0.02, rtol=0)


def test_sampling_starts_from_the_noise_of_the_keys() -> None:
    seen: list[Tensor] = []

    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        seen.append(x_t.clone())
        return torch.zeros_like(x_t), None

    sampled(denoise, settings_of())

    assert torch.equal(seen[0], mask_noise(1, KEYS, -1, (1, SIDE, SIDE)))


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_a_mask_is_the_same_in_any_company(sampler: str) -> None:
    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        return 2 * x_t, None

    together = sampled(denoise, settings_of(), sampler=sampler)
    alone = sampled(denoise, settings_of(), KEYS[2:], sampler=sampler)

    assert torch.equal(together[2:], alone)
    assert not torch.allclose(together[0], together[1])
    assert not torch.allclose(together, sampled(denoise, settings_of(), sampler=sampler, seed=2))


def test_a_learned_variance_widens_the_steps() -> None:
    def denoise(spread: float) -> Any:
        return lambda x_t, t: (torch.zeros_like(x_t), torch.full_like(x_t, spread))

    settings = settings_of("epsilon", True)
    wide, narrow = (sampled(denoise(spread), settings, sampler="ddpm") for spread in (1.0, -1.0))

    assert not torch.allclose(wide, narrow)


def test_each_evaluation_is_watched_before_and_told_of_after() -> None:
    order: list[str] = []

    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        order.append("evaluated")
        return torch.zeros_like(x_t), None

    sampled(
        denoise,
        settings_of(),
        steps=2,
        watch=lambda x_t, t: order.append(f"watch {int(t[0])}"),
        callback=lambda step, total, estimate: order.append(f"told {tuple(estimate.shape)}"),
    )
    told = f"told {(3, 1, SIDE, SIDE)}"

    assert order == ["watch 999", "evaluated", told, "watch 499", "evaluated", told]


def test_who_watches_may_end_it() -> None:
    class StopError(Exception):
        pass

    def stop(x_t: Tensor, t: Tensor) -> None:
        raise StopError

    with pytest.raises(StopError):
        sampled(lambda x_t, t: pytest.fail("it was evaluated"), settings_of(), watch=stop)
