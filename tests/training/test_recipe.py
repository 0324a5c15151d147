"""The presets: what the paper fixes, and what a small computer can do."""

from __future__ import annotations

import json
from dataclasses import replace
from operator import attrgetter

import pytest
import torch

from napari_ddmd.model.autoencoder import Autoencoder
from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.settings import ContextSettings
from src_training.costs import count_parameters
from src_training.recipe import PRESETS, Preset, Recipe, preset

FROM_THE_PAPER = {
    # Section 4.1
    "slices.balance_sets": True,  # "5,643 instances of healthy slices and an equivalent number of unhealthy slices"
    "model.frame.size": 256,  # "stacked to a size of (4, 256, 256)"
    # Section 4.3
    "model.autoencoder.members": 3,  # "the parameter L is set to 3"
    "autoencoders.epochs": 200,  # "trained for 200 epochs"
    "autoencoders.learning_rate": 1e-4,  # "Adam optimizer with a fixed learning rate of 1 × 10^-4"
    "autoencoders.cosine": False,  # "fixed"
    "model.diffusion.timesteps": 1000,  # "T = 1,000 for all experiments"
    "diffusion.learning_rate": 1e-4,  # "a learning rate fixed as 1 × 10^-4"
    "diffusion.cosine": False,  # "fixed"
    "diffusion.warmup": 0,  # "fixed"
    "diffusion.weight_decay": 0.0,  # "Adam"
    "diffusion.batch_size": 10,  # "a batch size of 10"
    "diffusion.iterations": 120_000,  # "120,000 iterations"
    # Section 3.3, Algorithms 1 and 2
    "model.diffusion.prediction": "epsilon",  # Eq 16
    "diffusion.timestep_power": 1.0,  # "t ~ Uniform({1, ..., T})"
    "model.sampling.sampler": "ddpm",  # Algorithm 2
    "model.sampling.steps": 1000,  # "for t from T to 1"
    "model.diffusion.inter_scale": 1.0,  # Eq 15 concatenates the maps as they are
    "model.diffusion.intra_scale": 1.0,
    "model.diffusion.scaled_input": False,  # and x_t, too
    "discrepancies.scale_maps": False,
    "discrepancies.out_of_fold": False,  # Section 3.2 has one AE-1 and one AE-2
    # Section 4.4 and 5.1
    "baselines.learning_rate": 1e-5,  # "an Adam optimizer with a learning rate of 1 × 10^-5"
    "baselines.batch_size": 32,  # "and a batch size of 32"
    "baselines.epochs": 50,  # "stops after 50 epochs"
    "baselines.iterations": 0,  # so that the epochs count
    "baselines.cosine": False,
    "baselines.augment": False,
    "model.sampling.samples": 5,  # "five distinct segmentation masks for each image"
    "model.sampling.threshold": 0.5,  # "applying a threshold of 0.5"
    "model.sampling.min_part": 0.0,  # nothing else is done to the mask
    "model.sampling.min_peak": 0.0,
    "model.sampling.shared_guess": False,  # every mask is drawn by itself
    "model.sampling.healthy_below": 0.0,
    "model.sampling.evens_out": False,  # nor is any image corrected
    "model.variant": "light",  # "our approach (DDMD-light) outperforms other evaluated methods"
}
FROM_IMPROVED_DDPM = {
    # Section 4.3: "The rest of the parameters for diffusion in the model are the same as that in [15]"
    "model.diffusion.learned_variance": True,  # Section 3.1: sigma_t "can be learned by the model, as proposed in [15]"
    "diffusion.lambda_vlb": 0.001,  # its Eq 16: L_hybrid
    "model.diffusion.beta_start": 1e-4,  # the linear schedule
    "model.diffusion.beta_end": 0.02,
    "model.denoiser.channels": (128, 128, 256, 256, 512, 512),  # its script: 128 × (1, 1, 2, 2, 4, 4) at 256 × 256
    "model.denoiser.layers_per_block": 2,  # num_res_blocks
    "model.denoiser.norm_groups": 32,
    "model.denoiser.dropout": 0.0,
    "model.denoiser.patch": 1,
    "diffusion.ema_decay": 0.9999,
    "diffusion.ema_warmup": False,
    "diffusion.augment": False,
}
CHOSEN = {
    # docs/paper.md gives the reasons.
    "slices.first_slice": 80,  # the band of Wolleb et al.
    "slices.last_slice": 128,
    "model.denoiser.attention_levels": (4,),  # at 16 × 16, as in Wolleb et al.
    "model.frame.extent_mm": 256.0,  # 240 voxels of 1 mm, padded
    "model.frame.centre": "image",
    "model.context": ContextSettings(slices=0),
    "model.autoencoder.size": 128,
    "model.autoencoder.widths": (16, 32, 64, 64),  # DDAD
    "model.autoencoder.latent": 16,
    "autoencoders.batch_size": 64,
    "autoencoders.mirror": False,
    "pretraining.patients": 0,
}


def test_compact_is_what_one_gets_without_asking() -> None:
    assert PRESETS[:2] == ("compact", "paper")
    assert preset("compact") == Recipe()


@pytest.mark.parametrize("setting", [*FROM_THE_PAPER, *FROM_IMPROVED_DDPM, *CHOSEN])
def test_paper_has_the_figures_of_the_paper(setting: str) -> None:
    wanted = FROM_THE_PAPER | FROM_IMPROVED_DDPM | CHOSEN

    assert attrgetter(setting)(preset("paper")) == wanted[setting]


def test_the_comparison_keeps_the_bottleneck_that_it_was_measured_with() -> None:
    assert [preset(name).model.autoencoder.latent for name in ("compact", "small", "smoke")] == [64, 16, 16]


@pytest.mark.parametrize("name", ["small", "smoke"])
def test_the_comparison_shows_every_system_the_slice_alone(name: Preset) -> None:
    assert preset(name).model.context == ContextSettings(slices=0)


def test_the_papers_attention_is_at_16_pixels() -> None:
    denoiser, side = preset("paper").model.denoiser, preset("paper").model.frame.size

    assert [side // 2**level for level in denoiser.attention_levels] == [16]


def test_the_papers_autoencoder_has_its_layers() -> None:
    """Section 4.3: four convolutions, three fully connected layers, four transposed convolutions."""
    net = Autoencoder(preset("paper").model.autoencoder)
    kinds = [type(module).__name__ for module in net.modules()]

    assert [kinds.count(kind) for kind in ("Conv2d", "Linear", "ConvTranspose2d")] == [4, 3, 4]


def test_the_papers_denoiser_has_improved_ddpms_parameters() -> None:
    """Counted from the description of its U-Net, with C channels in and two out."""
    model = preset("paper").model
    with torch.device("meta"):
        counts = {
            variant: count_parameters(Denoiser(replace(model, variant=variant)))
            for variant in ("mini", "light", "full")
        }

    assert counts["light"] == improved_ddpm_parameters(inputs=6, shift_and_scale=True)
    assert counts["light"] - counts["mini"] == counts["full"] - counts["light"] == 9 * 128
    assert counts["light"] == pytest.approx(118.8e6, rel=1e-3)
    # Wolleb et al. let the timestep shift the features only.
    assert improved_ddpm_parameters(inputs=6, shift_and_scale=False) == pytest.approx(113.7e6, rel=1e-3)


def improved_ddpm_parameters(*, inputs: int, shift_and_scale: bool) -> int:
    widths, time = (128, 128, 256, 256, 512, 512), 512

    def conv(wide: int, narrow: int, side: int = 3) -> int:
        return wide * narrow * side**2 + narrow

    def block(wide: int, narrow: int) -> int:
        norms, skip = 2 * wide + 2 * narrow, conv(wide, narrow, 1) if wide != narrow else 0
        return norms + conv(wide, narrow) + conv(narrow, narrow) + skip + (1 + shift_and_scale) * (time + 1) * narrow

    def attention(width: int) -> int:
        return 2 * width + conv(width, 3 * width, 1) + conv(width, width, 1)

    total = conv(inputs, 128) + (128 + 1) * time + (time + 1) * time
    skips, width = [128], 128
    for level, own in enumerate(widths):
        for _ in range(2):
            total += block(width, own) + attention(own) * (level == 4)
            width = own
            skips.append(width)
        if level < 5:
            total += conv(width, width)
            skips.append(width)
    total += 2 * block(width, width) + attention(width)
    for level, own in reversed(list(enumerate(widths))):
        for _ in range(3):
            total += block(width + skips.pop(), own) + attention(own) * (level == 4)
            width = own
        total += conv(width, width) * (level > 0)
    return total + 2 * width + conv(width, 2)


def test_a_recipe_becomes_plain_json() -> None:
    for name in PRESETS:
        described = preset(name).to_dict()
        assert json.loads(json.dumps(described)) == described
        assert described["out"] == "run"
        assert described["model"]["denoiser"]["channels"] == list(preset(name).model.denoiser.channels)
