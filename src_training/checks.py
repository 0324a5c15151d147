"""What a recipe must fulfil before anything is computed with it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from napari_ddmd.model.bundle import LONGEST_NAME, DdmdNetworks, refuse_odd_name
from napari_ddmd.model.limits import refuse_impossible
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.weights import without_memory
from src_training.distributed import world_size
from src_training.recipe import (
    SYNTHETIC_NAME,
    Recipe,
    RecipeError,
    meets_synthetic,
    synthetic_autoencoder_slices,
    synthetic_slices,
)
from src_training.run import Run
from src_training.start import check_start


def check_recipe(recipe: Recipe, stage: str = "all", system: str | None = None) -> None:
    """Refuse settings that cannot be trained, or that would be found out only hours later.

    Parameters
    ----------
    recipe : Recipe
        The settings.
    stage : str
        What is to be done; where no denoiser is trained, the number of processes need not suit its batches.
    system : str, optional
        Which one, of the stage ``baseline``.

    Raises
    ------
    RecipeError
        One line: which setting, and what to give instead.
    """
    systems = {"baseline": (system,), "table": recipe.systems}.get(stage, (None,))
    trains = stage in _TRAIN_DENOISERS and any(name not in SIDES for name in systems)
    problem = next(_problems(recipe, trains=trains), None)
    if problem:
        raise RecipeError(problem)
    Run(recipe).anatomy_maps()  # refuses a folder without any
    check_start(recipe)
    if recipe.start_from is not None and stage in _COMPARE:
        raise RecipeError(f"{stage!r} compares trainings from nothing; choose another --out, without --start-from")
    model = recipe.model
    try:
        # A model that cannot be read again must not be found out when it is published.
        refuse_odd_name(recipe.name)
        refuse_impossible(model)
        NoiseSchedule.of(model.diffusion)
        without_memory(lambda: DdmdNetworks(model))  # the shapes are checked, and that they are not too many
    except ValueError as error:
        raise RecipeError(f"model: {' '.join(str(error).split())}") from error
    if meets_synthetic(recipe) and len(recipe.name + SYNTHETIC_NAME) > LONGEST_NAME:
        raise RecipeError(
            f"name must be {LONGEST_NAME - len(SYNTHETIC_NAME)} letters at most, not {len(recipe.name)}: what "
            f"has learned from synthetic patients is published as NAME{SYNTHETIC_NAME}"
        )


_COMPARE = ("baseline", "table")
_OF_TRAININGS = ("slices", "model", "autoencoders", "discrepancies", "pretraining", "diffusion", "baselines")
_TRAIN_DENOISERS = ("all", "pretrain", "diffusion", *_COMPARE)
SIDES = {"unet": 32, "segnet": 32, "deeplabv3plus": 16}
"""The window's side must be a multiple of this, since each pooling halves it."""


def refuse_idle(recipe: Recipe, base: Recipe) -> None:
    """Refuse options that change nothing: who gives them expects otherwise.

    Parameters
    ----------
    recipe
        As the options make it.
    base
        As it was before: the preset, or the run's own.

    Raises
    ------
    RecipeError
        One line: which, and what to do.
    """
    if recipe.bundle is not None:
        given = [f"{group}.*" for group in _OF_TRAININGS if getattr(recipe, group) != getattr(base, group)]
        if given:
            raise RecipeError(f"{', '.join(given)}: --bundle judges a model as it was published; leave these out")
    if not recipe.pretraining.patients:
        own, before = vars(recipe.pretraining), vars(base.pretraining)
        # What is switched off says no more than that there are none.
        idle = [name for name, value in own.items() if value and value != before[name]]
        if idle:
            names = ", ".join(f"pretraining.{name}".replace("_", "-") for name in idle)
            raise RecipeError(
                f"{names}: there are no synthetic patients to learn from; leave these out, or give "
                "--pretraining.patients"
            )


def check_system(recipe: Recipe, name: str) -> None:
    """Refuse a system of Table 1 that cannot be trained with the settings of a run.

    Raises
    ------
    RecipeError
        One line: which setting, and what to give instead.
    """
    parts = world_size() * recipe.accumulate
    if name in SIDES and (recipe.baselines.batch_size % parts or recipe.baselines.batch_size < 2 * parts):
        raise RecipeError(
            f"baselines.batch-size must be a multiple of {parts} (processes times accumulate), with two slices or more "
            f"in each part for batch normalisation, not {recipe.baselines.batch_size}"
        )
    size, multiple = recipe.model.frame.size, SIDES.get(name, 1)
    if size % multiple:
        raise RecipeError(f"model.frame.size must be a multiple of {multiple} for {name}, not {size}")
    if name == "ddmd" and recipe.model.autoencoder.members < 2:
        raise RecipeError("ddmd needs model.autoencoder.members of at least 2: the intra map is their spread")


def _problems(recipe: Recipe, *, trains: bool) -> Iterator[str]:
    slices, model, diffusion = recipe.slices, recipe.model, recipe.diffusion
    is_number = recipe.fold.isascii() and recipe.fold.isdigit()
    is_number = is_number and (recipe.fold == "0" or recipe.fold[0] != "0")
    if not (recipe.fold in ("final", "cv") or is_number):
        yield f"fold {recipe.fold!r} does not exist; choose final, cv or a fold's number"
    if not 0 <= recipe.seed < 2**31:
        yield f"seed must be 0 to {2**31 - 1}, not {recipe.seed}"
    if slices.folds < 2:
        yield f"slices.folds must be at least 2, not {slices.folds}"
    if not 0 <= slices.unhealthy_fraction <= 1:
        yield f"slices.unhealthy-fraction must be 0 to 1, not {slices.unhealthy_fraction}"
    if slices.first_slice > slices.last_slice:
        yield f"slices.first-slice {slices.first_slice} is after slices.last-slice {slices.last_slice}"
    counts = {
        "autoencoders.epochs": recipe.autoencoders.epochs,
        "autoencoders.batch-size": recipe.autoencoders.batch_size,
        "pretraining.autoencoder-epochs": recipe.pretraining.autoencoder_epochs,
        "pretraining.iterations": recipe.pretraining.iterations,
        "diffusion.iterations": diffusion.iterations,
        "diffusion.batch-size": diffusion.batch_size,
        "diffusion.checkpoint-every": diffusion.checkpoint_every,
        "baselines.epochs": recipe.baselines.epochs,
        "baselines.checkpoint-every": recipe.baselines.checkpoint_every,
        "accumulate": recipe.accumulate,
        "log-every": recipe.log_every,
        "model.sampling.samples": model.sampling.samples,
        "model.autoencoder.members": model.autoencoder.members,
    }
    for name, value in counts.items():
        if value < 1:
            yield f"{name} must be at least 1, not {value}"
    yield from _problems_of_training(recipe)
    processes = world_size()
    if trains and diffusion.batch_size % (processes * recipe.accumulate):
        yield (
            f"diffusion.batch-size {diffusion.batch_size} cannot be divided into {recipe.accumulate} equal parts "
            f"(accumulate) on each of {processes} processes; choose a multiple of {processes * recipe.accumulate}"
        )
    for name, scale in (("inter", model.diffusion.inter_scale), ("intra", model.diffusion.intra_scale)):
        if scale != 1:
            yield (
                f"model.diffusion.{name}-scale is measured on the training patients' maps; leave it out "
                "(--discrepancies.no-scale-maps leaves the maps as they are)"
            )
    autoencoders, least = recipe.autoencoders, 2 * recipe.accumulate
    is_point = model.autoencoder.size >> len(model.autoencoder.widths) == 1
    if is_point and autoencoders.batch_size < least:
        yield (
            f"autoencoders.batch-size must be at least {least} where model.autoencoder.size is "
            f"{model.autoencoder.size}, for batch normalisation, not {autoencoders.batch_size}"
        )
    if recipe.baselines.iterations < 0:
        yield f"baselines.iterations must be 0 (as many as the epochs need) or more, not {recipe.baselines.iterations}"
    if recipe.baselines.batch_size < 2:
        yield f"baselines.batch-size must be at least 2 for batch normalisation, not {recipe.baselines.batch_size}"
    if recipe.record and recipe.bundle is None:
        yield "record needs --bundle, the model that is to keep the figures"
    if recipe.pictures and not recipe.record:
        yield "pictures needs --record, which writes the card that is to show them"
    if recipe.pretraining.patients == 1 or recipe.pretraining.patients < 0:
        yield f"pretraining.patients must be 0 (none) or at least 2, not {recipe.pretraining.patients}"
    if not 0 <= recipe.pretraining.share < 1:
        yield f"pretraining.share must be 0 or more and less than 1, not {recipe.pretraining.share}"
    elif recipe.pretraining.patients and recipe.pretraining.share:
        batches = [("diffusion", diffusion.batch_size, synthetic_slices(recipe))]
        if meets_synthetic(recipe):
            size = recipe.autoencoders.batch_size
            batches.append(("autoencoders", size, synthetic_autoencoder_slices(recipe)))
        for name, size, mixed in batches:
            if mixed in (0, size):
                yield (
                    f"pretraining.share {recipe.pretraining.share} makes {mixed} of {name}.batch-size {size} slices "
                    "synthetic; choose a share that leaves some of both kinds, or 0"
                    + (", or --pretraining.no-autoencoders" if name == "autoencoders" else "")
                )
    if not 1 <= model.sampling.steps <= model.diffusion.timesteps:
        yield f"model.sampling.steps must be 1 to {model.diffusion.timesteps}, not {model.sampling.steps}"
    if model.context.slices < 0:
        yield f"model.context.slices must be 0 or more, not {model.context.slices}"
    if not 0 < model.context.step_mm < math.inf:
        yield f"model.context.step-mm must be above 0, not {model.context.step_mm}"
    if not 0 <= model.sampling.healthy_below < model.sampling.threshold:
        yield (
            f"model.sampling.healthy-below must be 0 to below the threshold of {model.sampling.threshold}, "
            f"not {model.sampling.healthy_below}"
        )
    if not 0 <= model.sampling.min_part <= 1:
        yield f"model.sampling.min-part must be 0 to 1, not {model.sampling.min_part}"
    if not 0 <= model.sampling.min_peak < 1:
        yield f"model.sampling.min-peak must be 0 to below 1, not {model.sampling.min_peak}"
    if not 0 <= model.normalisation.lower_percentile < model.normalisation.upper_percentile <= 100:
        yield "model.normalisation needs 0 <= lower-percentile < upper-percentile <= 100"
    if not 1 <= model.denoiser.members <= model.sampling.samples:
        yield (
            f"model.denoiser.members must be 1 to {model.sampling.samples} (model.sampling.samples), "
            f"not {model.denoiser.members}: each draws a mask of every slice"
        )
    if model.variant == "full" and model.autoencoder.members < 2:
        yield "model.variant full needs model.autoencoder.members of at least 2: the intra map is their spread"
    if model.diffusion.scaled_input and model.diffusion.prediction != "x0":
        yield (
            f"model.diffusion.scaled-input goes with prediction x0 only, not {model.diffusion.prediction}: "
            "nothing else can be told without the noise; leave one of the two out"
        )
    if model.diffusion.learned_variance and model.diffusion.prediction != "epsilon":
        yield (
            f"model.diffusion.learned-variance goes with prediction epsilon only, not {model.diffusion.prediction}: "
            "nothing else trains the variance; leave one of the two out"
        )


def _problems_of_training(recipe: Recipe) -> Iterator[str]:
    """Numbers with which a training would end in nothing, or not begin."""
    diffusion = recipe.diffusion
    rates = {
        "autoencoders.learning-rate": recipe.autoencoders.learning_rate,
        "pretraining.learning-rate": recipe.pretraining.learning_rate,
        "diffusion.learning-rate": diffusion.learning_rate,
        "baselines.learning-rate": recipe.baselines.learning_rate,
    }
    for name, rate in rates.items():
        if not 0 < rate < math.inf:
            yield f"{name} must be above 0, not {rate}"
    amounts = {
        "diffusion.weight-decay": diffusion.weight_decay,
        "diffusion.lambda-vlb": diffusion.lambda_vlb,
        "diffusion.warmup": diffusion.warmup,
        "slices.min-brain-mm2": recipe.slices.min_brain_mm2,
        "slices.first-slice": recipe.slices.first_slice,
        "workers": recipe.workers,
    }
    for name, amount in amounts.items():
        if not 0 <= amount < math.inf:
            yield f"{name} must be 0 or more, not {amount}"
    if not 0 <= diffusion.ema_decay < 1:
        yield f"diffusion.ema-decay must be 0 or more and less than 1, not {diffusion.ema_decay}"
    if not 0 < diffusion.timestep_power < math.inf:
        yield f"diffusion.timestep-power must be more than 0, not {diffusion.timestep_power}"
