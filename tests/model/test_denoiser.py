"""The denoiser sees b + X + Y + x_t, by variant."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_ddmd.model.denoiser import Denoiser, condition
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import (
    ContextSettings,
    DenoiserSettings,
    DiffusionSettings,
    FrameSettings,
    ModelSettings,
    Variant,
)
from src_training.recipe import preset

SMALL = ModelSettings(frame=FrameSettings(size=16), denoiser=DenoiserSettings(channels=(8, 16)))


ALONE = replace(SMALL, context=ContextSettings(slices=0))


@pytest.mark.parametrize(("variant", "channels"), [("mini", 5), ("light", 6), ("full", 7)])
def test_input_channels_are_those_of_the_paper(variant: Variant, channels: int) -> None:
    settings = replace(ALONE, variant=variant)
    images, inter, intra = torch.rand(2, 4, 16, 16), torch.rand(2, 16, 16), torch.rand(2, 16, 16)
    conditioning = condition(images, inter, intra, settings)
    assert conditioning.shape[1] + 1 == channels
    output, variance = Denoiser(settings)(torch.randn(2, 1, 16, 16), torch.tensor([0, 999]), conditioning)
    assert output.shape == (2, 1, 16, 16)
    assert variance is None


def test_order_and_scales_of_the_condition() -> None:
    diffusion = DiffusionSettings(inter_scale=0.5, intra_scale=0.25)
    images, inter, intra = torch.rand(1, 4, 16, 16), torch.rand(1, 16, 16), torch.rand(1, 16, 16)
    conditioning = condition(images, inter, intra, replace(ALONE, diffusion=diffusion))
    torch.testing.assert_close(conditioning[:, :4], 2 * images - 1)
    torch.testing.assert_close(conditioning[:, 4], inter / 0.5)
    torch.testing.assert_close(conditioning[:, 5], intra / 0.25)


def test_neighbours_come_between_the_slice_and_the_maps() -> None:
    images, inter, intra = torch.rand(1, 12, 16, 16), torch.rand(1, 16, 16), torch.rand(1, 16, 16)
    conditioning = condition(images, inter, intra, SMALL)
    torch.testing.assert_close(conditioning[:, :12], 2 * images - 1)
    assert conditioning.shape[1] == 14
    assert Denoiser(SMALL)(torch.randn(1, 1, 16, 16), torch.tensor([3]), conditioning)[0].shape == (1, 1, 16, 16)


def test_learned_variance_is_a_second_channel() -> None:
    settings = replace(ALONE, diffusion=DiffusionSettings(prediction="epsilon", learned_variance=True))
    output, variance = Denoiser(settings)(torch.randn(1, 1, 16, 16), torch.tensor([3]), torch.rand(1, 6, 16, 16))
    assert variance is not None
    assert output.shape == variance.shape == (1, 1, 16, 16)


def test_the_noisy_mask_enters_times_the_signal_that_is_left_in_it() -> None:
    torch.manual_seed(0)
    plain = Denoiser(ALONE).eval()
    scaled = Denoiser(replace(ALONE, diffusion=DiffusionSettings(scaled_input=True))).eval()
    scaled.load_state_dict(plain.state_dict())
    schedule = NoiseSchedule.linear()
    x, b, t = torch.randn(3, 1, 16, 16), torch.rand(3, 6, 16, 16), torch.tensor([0, 400, 999])
    signal = schedule.alphas_cumprod[t].sqrt().float().view(-1, 1, 1, 1)
    torch.testing.assert_close(scaled(x, t, b)[0], plain(signal * x, t, b)[0])
    assert signal[2] < 0.01  # next to nothing of pure noise


def test_a_scaled_input_is_there_wherever_the_weights_were_made() -> None:
    settings = replace(ALONE, diffusion=DiffusionSettings(scaled_input=True))
    scaled = Denoiser(settings)
    with torch.device("meta"):
        empty = Denoiser(settings)
    empty.load_state_dict(scaled.state_dict(), assign=True)
    x, b, t = torch.randn(1, 1, 16, 16), torch.rand(1, 6, 16, 16), torch.tensor([400])
    torch.testing.assert_close(empty.eval()(x, t, b)[0], scaled.eval()(x, t, b)[0])


def test_timestep_and_condition_matter() -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(ALONE).eval()
    x, b = torch.randn(1, 1, 16, 16), torch.rand(1, 6, 16, 16)
    first = denoiser(x, torch.tensor([10]), b)[0]
    assert not torch.allclose(first, denoiser(x, torch.tensor([900]), b)[0])
    assert not torch.allclose(first, denoiser(x, torch.tensor([10]), b * 0.5)[0])


def test_the_paper_preset_has_the_size_of_improved_ddpm_s_network() -> None:
    with torch.device("meta"):
        denoiser = Denoiser(preset("paper").model)
    assert sum(p.numel() for p in denoiser.parameters()) / 1e6 == pytest.approx(118.8, abs=0.1)


def test_a_frame_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of 4"):
        Denoiser(replace(SMALL, frame=FrameSettings(size=18)))


@pytest.mark.parametrize("patch", [1, 2])
def test_what_is_told_of_a_slice_can_be_taken_apart_once_for_all_of_its_masks(patch: int) -> None:
    denoiser = Denoiser(replace(SMALL, denoiser=DenoiserSettings(channels=(8, 16), patch=patch))).eval()
    conditioning, masks, times = torch.rand(2, 14, 16, 16), torch.randn(6, 1, 16, 16), torch.full((6,), 500)
    rows = torch.tensor([0, 0, 0, 1, 1, 1])
    patches = denoiser.patches(conditioning)
    assert patches.shape == (2, 14 * patch**2, 16 // patch, 16 // patch)
    with torch.no_grad():
        whole, _ = denoiser(masks, times, conditioning[rows])
        apart, _ = denoiser(masks, times, patches[rows])
    assert torch.equal(whole, apart)
