"""The tuned U-Net is the denoiser's backbone with nothing but the images going in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_ddmd.model.denoiser import Denoiser, condition
from napari_ddmd.model.settings import DenoiserSettings, DiffusionSettings, FrameSettings, ModelSettings
from src_training.baselines.unet_tuned import TunedUNet

SMALL = ModelSettings(frame=FrameSettings(size=16), denoiser=DenoiserSettings(channels=(8, 16)))


def test_it_gives_one_logit_a_pixel() -> None:
    assert TunedUNet(SMALL)(torch.rand(2, 12, 16, 16)).shape == (2, 1, 16, 16)


def test_a_learned_variance_and_the_variant_do_not_matter() -> None:
    settings = replace(SMALL, variant="mini", diffusion=DiffusionSettings(prediction="epsilon", learned_variance=True))
    shapes, others = ({k: v.shape for k, v in TunedUNet(s).state_dict().items()} for s in (SMALL, settings))
    assert shapes == others


def test_it_differs_from_the_denoiser_in_the_input_alone() -> None:
    denoiser, plain = Denoiser(SMALL).state_dict(), TunedUNet(SMALL).state_dict()
    assert denoiser.keys() == plain.keys()
    assert [k for k in plain if plain[k].shape != denoiser[k].shape] == ["unet.conv_in.weight"]


def test_it_sees_images_as_the_denoiser_does_at_timestep_0() -> None:
    """With the weights of a denoiser whose noisy mask has no weight, both give the same."""
    torch.manual_seed(0)
    mini = replace(SMALL, variant="mini")
    denoiser, plain = Denoiser(mini).eval(), TunedUNet(mini).eval()
    weights = denoiser.state_dict()
    entry = "unet.conv_in.weight"
    channels = 12 * mini.denoiser.patch**2  # pixel-unshuffle keeps an image's channels together
    with torch.no_grad():
        weights[entry][:, channels:] = 0
    plain.load_state_dict({**weights, entry: weights[entry][:, :channels]})
    images, unused = torch.rand(2, 12, 16, 16), torch.zeros(2, 16, 16)
    conditioning = condition(images, unused, unused, mini)
    expected, _ = denoiser(torch.randn(2, 1, 16, 16), torch.tensor([0, 0]), conditioning)
    torch.testing.assert_close(plain(images), expected)
    later, _ = denoiser(torch.randn(2, 1, 16, 16), torch.tensor([500, 500]), conditioning)
    assert not torch.allclose(later, expected)


def test_a_frame_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of 4"):
        TunedUNet(replace(SMALL, frame=FrameSettings(size=18)))
