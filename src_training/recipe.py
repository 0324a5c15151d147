"""The recipe of a training: dataclasses that are the configuration and the command line at once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from napari_ddmd.model.settings import (
    ContextSettings,
    DenoiserSettings,
    DiffusionSettings,
    FrameSettings,
    ModelSettings,
    SamplingSettings,
    Variant,
)

Preset = Literal["compact", "paper", "small", "smoke"]
PRESETS: tuple[Preset, ...] = get_args(Preset)

DDMD_VARIANTS: dict[str, Variant] = {"ddmd-mini": "mini", "ddmd-light": "light", "ddmd": "full"}
SYSTEMS = ("unet", "segnet", "deeplabv3plus", "cimd", *DDMD_VARIANTS, "unet-tuned")
"""The systems of Table 1, in its order, and the tuned U-Net that the paper lacks."""
SYNTHETIC_NAME = "-synthetic"
"""After the name of a model that has learned from synthetic patients alone."""


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
    """Share of slices with a lesion in a batch of the denoiser."""
    balance_sets: bool = False
    """Thin the larger of healthy and unhealthy slices of every training set to the other's size, as the paper does."""
    folds: int = 5
    """Number of folds, by patient; a fold file has its own."""
    fold_file: Path | None = None
    """JSON file {case name: fold}; without it the packaged folds are used where they fit, else a seeded draw."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderRecipe:
    """Training of AE-1 (all slices) and AE-2 (healthy slices), Eq 9 and Eq 10."""

    epochs: int = 12
    """Passes over the slices of the set."""
    batch_size: int = 32
    """Slices a batch."""
    learning_rate: float = 1e-3
    """Of Adam."""
    cosine: bool = True
    """Let the learning rate fall to zero along a cosine."""
    mirror: bool = True
    """Show every second slice, on average, with left and right exchanged."""


@dataclass(frozen=True, kw_only=True)
class DiscrepancyRecipe:
    """Maps for the training slices."""

    out_of_fold: bool = True
    """Compute a patient's maps with autoencoders that have not seen the patient. The paper computes them in sample."""
    scale_maps: bool = True
    """Divide the maps by their mean over the training brains, so that they reach the denoiser at a useful size."""


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """What the networks learn from synthetic patients, before and beside the real ones; not in the paper."""

    patients: int = 320
    """Synthetic patients to make; 0 leaves the pre-training out."""
    autoencoder_epochs: int = 2
    """Passes of the synthetic patients' own autoencoders over their slices."""
    autoencoders: bool = True
    """Let the autoencoders of real patients learn from the synthetic ones, too: they start from theirs, and as large a
    share of each batch stays synthetic."""
    iterations: int = 4500
    """Optimiser steps; all else is as in the training of the denoiser."""
    learning_rate: float = 1e-3
    """Peak of the learning rate."""
    share: float = 0.5
    """Share of synthetic slices in the batches of the trainings on real patients."""
    anatomy: Path | None = None
    """Folder of tissue label maps of healthy brains (FreeSurfer codes, .nii or .nii.gz); every second synthetic patient
    takes its anatomy from one of them."""


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
    """Steps over which the learning rate rises; half of all where there are no more than these."""
    cosine: bool = True
    """Let the learning rate fall to zero along a cosine after the warm-up."""
    ema_decay: float = 0.999
    """Largest decay of the exponential moving average of the weights."""
    ema_warmup: bool = True
    """Let the decay rise from 0, as 1 - (1 + step)^(-3/4), so that short trainings forget their first steps."""
    timestep_power: float = 10.0
    """Timesteps are drawn as T u^(1/power): 1 is uniform, more favours the noisy end, where few-step sampling works."""
    lambda_vlb: float = 0.001
    """Weight of the variational bound where the variance is learned."""
    augment: bool = True
    """Random flips, affine and elastic deformations, and intensities."""
    checkpoint_every: int = 250
    """Steps between two resumable states."""


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe:
    """Training of the segmentation networks that the paper compares with: unet, segnet and deeplabv3plus.

    cimd and unet-tuned are trained as the denoiser is.
    """

    encoder: str = "resnet34"
    """Encoder of unet and deeplabv3plus, a name of segmentation-models-pytorch; never pre-trained."""
    epochs: int = 50
    """Passes over the training set; does not count where iterations is given."""
    iterations: int = 0
    """Optimiser steps; 0 makes as many as the epochs need."""
    batch_size: int = 32
    """Slices a step."""
    learning_rate: float = 1e-5
    """Of Adam."""
    cosine: bool = False
    """Let the learning rate fall to zero along a cosine."""
    augment: bool = False
    """The same random changes as in the denoiser's training."""
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
    """Settings to start from: compact (two CPU cores), paper (a GPU), small (the paper's comparison on two CPU cores)
    or smoke (whether everything runs, in minutes)."""
    fold: str = "final"
    """final trains on every patient, 0 to 4 hold that fold out and evaluate on it, cv does all."""
    name: str = "compact"
    """Name of the published model."""
    version: str = "1"
    """Version of the published model."""
    seed: int = 0
    """Of everything random."""
    device: str = "auto"
    """auto, cuda, mps or cpu."""
    precision: Literal["auto", "bf16-mixed", "16-mixed", "32-true"] = "auto"
    """Of the training; auto is bfloat16 where the hardware multiplies it. 16-mixed is for GPUs only."""
    accumulate: int = 1
    """Parts in which a process takes its rows of a batch, one after another: less memory and, but for
    batch normalisation (autoencoders, baselines), the same gradient."""
    compile: bool = False
    """Compile the networks with torch.compile, which needs a C++ compiler (CPU) or Triton (GPU)."""
    log_every: int = 10
    """Steps between two lines of the log."""
    workers: int = 0
    """Processes that prepare cases, read slices ahead and make synthetic patients; 0 does all in the main process."""
    json: bool = False
    """Print the evaluation as one JSON object on standard output."""
    dry_run: bool = False
    """Print counts, parameters, FLOPs, memory and expected hours; nothing is trained or written."""
    start_from: str | None = None
    """Published model (its folder, or its name) that the training goes on from: its autoencoders are kept, its
    denoisers learn on, and its settings of the networks hold."""
    bundle: str | None = None
    """Published model (its folder, or its name) for the stage evaluate to judge, instead of what was trained."""
    record: bool = False
    """Put the figures that evaluate --bundle finds into the model and its card."""
    pictures: bool = False
    """Put a picture of the worst slices on that card, too: only of patients whose images may be published."""
    systems: tuple[str, ...] = SYSTEMS
    """What the stages table and figures compare."""
    slices: DataRecipe = field(default_factory=DataRecipe)
    model: ModelSettings = field(default_factory=ModelSettings)
    autoencoders: AutoencoderRecipe = field(default_factory=AutoencoderRecipe)
    discrepancies: DiscrepancyRecipe = field(default_factory=DiscrepancyRecipe)
    pretraining: PretrainingRecipe = field(default_factory=PretrainingRecipe)
    diffusion: DiffusionRecipe = field(default_factory=DiffusionRecipe)
    baselines: BaselineRecipe = field(default_factory=BaselineRecipe)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, ready for JSON."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return data


def synthetic_slices(recipe: Recipe) -> int:
    """Number of synthetic slices in a batch of the denoiser's training on real patients."""
    return round(recipe.diffusion.batch_size * recipe.pretraining.share) if recipe.pretraining.patients else 0


def meets_synthetic(recipe: Recipe) -> bool:
    """Whether the autoencoders of the real patients learn from the synthetic ones, too."""
    return recipe.pretraining.patients > 0 and recipe.pretraining.autoencoders and recipe.start_from is None


def synthetic_autoencoder_slices(recipe: Recipe) -> int:
    """Number of synthetic slices in a batch of the autoencoders' training on real patients."""
    return round(recipe.autoencoders.batch_size * recipe.pretraining.share) if meets_synthetic(recipe) else 0


def own_system(recipe: Recipe) -> str:
    """Name in Table 1 of the variant that the recipe trains."""
    return next(name for name, variant in DDMD_VARIANTS.items() if variant == recipe.model.variant)


def preset(name: Preset) -> Recipe:
    """The recipe of a preset."""
    return {"compact": Recipe, "paper": _paper, "small": _small, "smoke": _smoke}[name]()


def _paper() -> Recipe:
    """Sections 4.1 and 4.3 of the paper; docs/paper.md goes through them point by point."""
    diffusion = DiffusionSettings(prediction="epsilon", learned_variance=True)
    model = ModelSettings(
        variant="light",
        frame=FrameSettings(size=256, extent_mm=256.0, centre="image"),
        context=ContextSettings(slices=0),
        denoiser=DenoiserSettings(
            channels=(128, 128, 256, 256, 512, 512),
            layers_per_block=2,
            attention_levels=(4,),
            patch=1,
            norm_groups=32,
        ),
        diffusion=diffusion,
        sampling=SamplingSettings(
            sampler="ddpm",
            steps=diffusion.timesteps,
            shared_guess=False,
            healthy_below=0.0,
            evens_out=False,
            min_part=0.0,
        ),
    )
    return Recipe(
        preset="paper",
        name="paper",
        slices=DataRecipe(first_slice=80, last_slice=128, balance_sets=True),
        model=replace(model, autoencoder=replace(model.autoencoder, size=128, latent=16)),
        autoencoders=AutoencoderRecipe(epochs=200, batch_size=64, learning_rate=1e-4, cosine=False, mirror=False),
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
            ema_warmup=False,
            timestep_power=1.0,
            augment=False,
            checkpoint_every=1000,
        ),
    )


def _small() -> Recipe:
    """Table 1 at a size that two CPU cores manage: the same slices, resolution and steps for every system."""
    recipe = Recipe()
    steps, batch = 300, 16
    return replace(
        recipe,
        preset="small",
        name="small",
        fold="cv",
        model=replace(
            recipe.model,
            variant="light",
            frame=replace(recipe.model.frame, size=64),
            context=ContextSettings(slices=0),
            autoencoder=replace(recipe.model.autoencoder, latent=16),
        ),
        autoencoders=replace(recipe.autoencoders, epochs=4),
        pretraining=PretrainingRecipe(patients=0),
        diffusion=replace(recipe.diffusion, iterations=steps, batch_size=batch, learning_rate=1e-3, warmup=20),
        baselines=BaselineRecipe(iterations=steps, batch_size=batch, learning_rate=1e-3, cosine=True, augment=True),
    )


def _smoke() -> Recipe:
    """Seconds for each system: whether everything runs, not how well it does; on synthetic patients made for it."""
    recipe = _small()
    model = recipe.model
    return replace(
        recipe,
        preset="smoke",
        name="smoke",
        # In the middle of the head, where every synthetic patient has some of its lesion.
        slices=replace(recipe.slices, first_slice=60, last_slice=99, folds=3),
        model=replace(
            model,
            frame=replace(model.frame, size=32),
            autoencoder=replace(model.autoencoder, size=32, members=2),
            denoiser=replace(model.denoiser, channels=(16, 32)),
            sampling=replace(model.sampling, samples=2),
        ),
        autoencoders=replace(recipe.autoencoders, epochs=1),
        diffusion=replace(recipe.diffusion, iterations=4, batch_size=4, warmup=1),
        baselines=replace(recipe.baselines, iterations=4, batch_size=4),
    )
