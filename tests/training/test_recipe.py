"""The presets: what the paper fixes, and what a small computer can do."""

from __future__ import annotations

import json

from src_training.recipe import PRESETS, Recipe, preset


def test_compact_is_what_one_gets_without_asking() -> None:
    assert PRESETS == ("compact", "paper")
    assert preset("compact") == Recipe()


def test_paper_has_the_figures_of_the_paper() -> None:
    paper = preset("paper")

    assert paper.preset == "paper"
    assert paper.model.variant == "light"
    assert paper.model.frame.size == 256
    assert (paper.slices.first_slice, paper.slices.last_slice) == (80, 128)
    assert paper.model.diffusion.timesteps == paper.model.sampling.steps == 1000
    assert (paper.model.diffusion.prediction, paper.model.diffusion.learned_variance) == ("epsilon", True)
    assert (paper.model.sampling.sampler, paper.model.sampling.samples) == ("ddpm", 5)
    assert paper.model.autoencoder.members == 3
    assert (paper.diffusion.learning_rate, paper.diffusion.batch_size) == (1e-4, 10)
    assert paper.diffusion.timestep_power == 1.0
    assert not paper.discrepancies.scale_maps


def test_a_recipe_becomes_plain_json() -> None:
    for name in PRESETS:
        described = preset(name).to_dict()
        assert json.loads(json.dumps(described)) == described
        assert described["out"] == "run"
        assert described["model"]["denoiser"]["channels"] == list(preset(name).model.denoiser.channels)
