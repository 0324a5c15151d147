"""The recipe of a training: dataclasses that are the configuration and the command line at once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from napari_ddmd.model.settings import (
    DenoiserSettings,
    DiffusionSettings,
    FrameSettings,
    ModelSettings,
    SamplingSettings,
)

Preset = Literal["compact", "paper"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


class RecipeError(ValueError):
    """Something in the data, the run or the settings that the user must change; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class DataRecipe:
    """Which slices are learned from."""

    first_slice: int = 0
    """First axial slice that is kept (80 in the paper's band)."""
    last_slice: int = 10_000
    """Last axial slice that is kept (128 in the paper's band)."""
    min_brain_mm2: float = 2000.0
    """Slices with less brain than this are not learned from."""
    unhealthy_fraction: float = 0.5
    """Share of slices with a lesion in a batch (the paper balances them)."""
    folds: int = 5
    """Number of folds, by patient."""
    fold_file: Path | None = None
    """JSON file ``{case name: fold}``; without it the packaged folds are used where they fit, else a seeded draw."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderRecipe:
    """Training of AE-1 (all slices) and AE-2 (healthy slices), Eq 9 and Eq 10."""

    epochs: int = 8
    """Passes over the slices of the set."""
    batch_size: int = 32
    """Slices a batch."""
    learning_rate: float = 1e-3
    """Of Adam."""
    cosine: bool = True
    """Let the learning rate fall to zero along a cosine."""


@dataclass(frozen=True, kw_only=True)
class DiscrepancyRecipe:
    """Maps for the training slices."""

    out_of_fold: bool = True
    """Compute a patient's maps with autoencoders that have not seen the patient. The paper computes them in sample."""
    scale_maps: bool = True
    """Divide the maps by their mean over the training brains, so that they reach the denoiser at a useful size."""


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """What the denoiser learns from synthetic patients, before and beside the real ones; not in the paper."""

    patients: int = 80
    """Synthetic patients to make; 0 leaves the pre-training out."""
    autoencoder_epochs: int = 2
    """Passes of the synthetic patients' own autoencoders over their slices."""
    iterations: int = 3000
    """Optimiser steps; all else is as in the training of the denoiser."""
    learning_rate: float = 1e-3
    """Peak of the learning rate."""
    share: float = 0.5
    """Share of synthetic slices in the batches of the training that follows."""


@dataclass(frozen=True, kw_only=True)
class DiffusionRecipe:
    """Training of the denoiser."""

    iterations: int = 500
    """Optimiser steps."""
    batch_size: int = 16
    """Slices a step."""
    learning_rate: float = 5e-4
    """Peak of AdamW's learning rate."""
    weight_decay: float = 1e-4
    """Of AdamW (0 makes it Adam)."""
    warmup: int = 100
    """Steps over which the learning rate rises."""
    cosine: bool = True
    """Let the learning rate fall to zero along a cosine after the warm-up."""
    ema_decay: float = 0.999
    """Largest decay of the exponential moving average of the weights."""
    timestep_power: float = 10.0
    """Timesteps are drawn as T u^(1/power): 1 is uniform, more favours the noisy end, where few-step sampling works."""
    lambda_vlb: float = 0.001
    """Weight of the variational bound where the variance is learned."""
    augment: bool = True
    """Random flips, affine and elastic deformations, and intensities."""
    checkpoint_every: int = 250
    """Steps between two resumable states."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a run is made of."""

    data: Path = Path("data")
    """Folder of BRATS case folders with masks."""
    out: Path = Path("run")
    """Folder of the run. Call again with the same folder to go on after an interruption."""
    preset: Preset = "compact"
    """Settings to start from: compact (two CPU cores) or paper (a GPU)."""
    fold: str = "final"
    """``final`` trains on every patient, ``0`` to ``4`` hold that fold out and evaluate on it, ``cv`` does all."""
    name: str = "compact"
    """Name of the published model."""
    version: str = "1"
    """Version of the published model."""
    seed: int = 0
    """Of everything random."""
    device: str = "auto"
    """auto, cuda, mps or cpu."""
    precision: Literal["auto", "bf16-mixed", "32-true"] = "auto"
    """Of the training; auto is bfloat16 where the hardware multiplies it."""
    workers: int = 0
    """Processes that read slices ahead and make synthetic patients; 0 does both in the main process."""
    json: bool = False
    """Print the evaluation as one JSON object on standard output."""
    slices: DataRecipe = field(default_factory=DataRecipe)
    model: ModelSettings = field(default_factory=ModelSettings)
    autoencoders: AutoencoderRecipe = field(default_factory=AutoencoderRecipe)
    discrepancies: DiscrepancyRecipe = field(default_factory=DiscrepancyRecipe)
    pretraining: PretrainingRecipe = field(default_factory=PretrainingRecipe)
    diffusion: DiffusionRecipe = field(default_factory=DiffusionRecipe)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, ready for JSON."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return data


def synthetic_slices(recipe: Recipe) -> int:
    """Number of synthetic slices in a batch of the denoiser's training on real patients."""
    return round(recipe.diffusion.batch_size * recipe.pretraining.share) if recipe.pretraining.patients else 0


def preset(name: Preset) -> Recipe:
    """The recipe of a preset."""
    return {"compact": Recipe(), "paper": _paper()}[name]


def _paper() -> Recipe:
    """Sections 4.1 and 4.3 of the paper; ``docs/training.md`` says what they leave open and what is chosen here."""
    diffusion = DiffusionSettings(prediction="epsilon", learned_variance=True)
    model = ModelSettings(
        variant="light",
        frame=FrameSettings(size=256, extent_mm=256.0, centre="image"),
        denoiser=DenoiserSettings(
            channels=(128, 128, 256, 256, 512, 512),
            layers_per_block=2,
            attention_levels=(4,),
            patch=1,
            norm_groups=32,
        ),
        diffusion=diffusion,
        sampling=SamplingSettings(sampler="ddpm", steps=diffusion.timesteps, min_part=0.0),
    )
    return Recipe(
        preset="paper",
        name="paper",
        slices=DataRecipe(first_slice=80, last_slice=128),
        model=replace(model, autoencoder=replace(model.autoencoder, size=128)),
        autoencoders=AutoencoderRecipe(epochs=200, batch_size=64, learning_rate=1e-4, cosine=False),
        discrepancies=DiscrepancyRecipe(out_of_fold=False, scale_maps=False),
        pretraining=PretrainingRecipe(patients=0),
        diffusion=DiffusionRecipe(
            iterations=120_000,
            batch_size=10,
            learning_rate=1e-4,
            weight_decay=0.0,
            warmup=0,
            cosine=False,
            ema_decay=0.9999,
            timestep_power=1.0,
            augment=False,
            checkpoint_every=1000,
        ),
    )
