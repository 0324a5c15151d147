"""Stage ``diffusion``: the denoiser learns to take noise off masks, told of the images and the maps (Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_ddmd.masks import sample_masks
from napari_ddmd.model.denoiser import Denoiser, condition
from napari_ddmd.model.losses import dice_cross_entropy, hybrid_loss, logits_to_x0, simple_loss
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import ModelSettings, Prediction
from src_training import distributed
from src_training.augment import augment, told_augmentation
from src_training.dataset import Slices, draw_balanced
from src_training.files import read_array, read_json, read_tensors, write_json
from src_training.fingerprints import told_process, told_slices
from src_training.loop import LoopSettings, keep_weights, make_fabric, train
from src_training.preview import flair, side_by_side
from src_training.recipe import DiffusionRecipe, Recipe, RecipeError, own_system, synthetic_slices
from src_training.run import Run, Split
from src_training.start import start_of

WEIGHTS = "denoiser.safetensors"
SEEDS_APART = 1000
"""Between the seeds of denoisers that take turns."""


@dataclass(frozen=True)
class ConditionedSlices:
    """Slices of some patients with their maps."""

    slices: Slices
    maps: tuple[NDArray[np.float16], ...]
    """One array a case: ``(n, 2, size, size)``; none for networks that are told of the images alone."""
    scales: NDArray[np.float32]
    """Mean of the inter and the intra map over the patients' brains, ``(2,)``."""

    @classmethod
    def of(cls, split: Split, *, with_maps: bool = True) -> ConditionedSlices:
        """The patients that a split learns from."""
        slices = Slices.learned_from(split, split.training_cases)
        if not with_maps:
            return cls(slices, (), np.ones(2, np.float32))
        diffusion = model_settings(split).diffusion
        folder = split.folder / "maps"
        remedy = f"delete {folder} and run the stage 'discrepancies' again"
        maps = tuple(read_array(folder / f"{case}.npy", remedy=remedy) for case in slices.cases)
        return cls(slices, maps, np.array([diffusion.inter_scale, diffusion.intra_scale], np.float32))

    def map(self, rows: NDArray[np.int64], scales: NDArray[np.float32]) -> Tensor:
        """Maps ``(B, 2, size, size)`` of some rows, brought to the scales of other patients; none without maps."""
        if not self.maps:
            return self.slices.mask(rows)[:, :0]
        stacked = np.stack([self.maps[case][number] for case, number in self.slices.rows[rows]])
        return torch.from_numpy(stacked.astype(np.float32) * (scales / self.scales)[:, None, None])


class ConditionedBatches(Dataset[tuple[Tensor, ...]]):
    """Batches of images, maps and masks, the share of the recipe from synthetic patients; an index is a step.

    Images and masks are those of a slice and of its neighbours, as `Slices.with_neighbours` gives them. The seed is the
    recipe's unless another is given.
    """

    def __init__(self, split: Split, *, with_maps: bool = True, seed: int | None = None) -> None:
        self.recipe = split.run.recipe
        self.seed = self.recipe.seed if seed is None else seed
        self.real = ConditionedSlices.of(split, with_maps=with_maps)
        self.synthetic = None
        if synthetic_slices(self.recipe) > 0:
            self.synthetic = ConditionedSlices.of(split.run.synthetic().split("final"), with_maps=with_maps)

    def __len__(self) -> int:
        return self.recipe.diffusion.iterations

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        size, seed = self.recipe.diffusion.batch_size, self.seed
        if self.synthetic is None:
            return self._draw(self.real, size, (seed, step))
        count = synthetic_slices(self.recipe)
        parts = (
            self._draw(self.real, size - count, (seed, step)),
            self._draw(self.synthetic, count, (seed, step, 1)),
        )
        return tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))

    def _draw(self, source: ConditionedSlices, size: int, seed: tuple[int, ...]) -> tuple[Tensor, ...]:
        rows = draw_balanced(source.slices.unhealthy, size, self.recipe.slices.unhealthy_fraction, seed)
        images, masks = source.slices.with_neighbours(rows)
        return images, source.map(rows, self.real.scales), masks


def train_diffusion(run: Run) -> None:
    """Train the denoisers of every split that the run asks for; ``<split>/diffusion/denoiser.safetensors``.

    Further ones, which take turns with the first, are trained apart, each from a pre-training of its own and with other
    batches and noise; they lie in ``<split>/diffusion-2`` and so on.
    """
    for split in run.splits():
        for member in range(run.recipe.model.denoiser.members):
            _train_member(split, member)


def _train_member(split: Split, member: int) -> None:
    run, folder = split.run, denoiser_folder(split, member)
    settings = model_settings(split)
    fingerprint = _learned_with(run, settings)
    done = folder / WEIGHTS
    marker = folder / "recipe.json"
    if marker.exists():
        split.check_marker(marker, fingerprint)
    if distributed.on_main(done.exists):
        return
    recipe = run.recipe.diffusion
    seed = run.recipe.seed + member * SEEDS_APART
    torch.manual_seed(seed)
    denoiser = Denoiser(settings)
    first = _first_weights(run, member)
    if first is not None:
        denoiser.load_state_dict(first)
    if distributed.is_main() and not marker.exists():
        write_json(marker, split.marker(fingerprint))  # after all that can be refused
    train(
        folder,
        denoiser,
        ConditionedBatches(split, seed=seed),
        DiffusionTask(settings, recipe),
        loop_settings(run.recipe),
        fabric=make_fabric(run.recipe),
        seed=seed,
        workers=run.recipe.workers,
        name=f"{own_system(run.recipe)} {split.name}" + (f" ({member + 1})" if member else ""),
    )
    keep_weights(done, denoiser)


def denoiser_folder(split: Split, member: int = 0) -> Path:
    """Where one of the denoisers of a split is trained; they are counted from 0."""
    return split.work / ("diffusion" if member == 0 else f"diffusion-{member + 1}")


def has_denoisers(split: Split) -> bool:
    """Whether all denoisers of a split have been trained."""
    members = split.run.recipe.model.denoiser.members
    return all((denoiser_folder(split, member) / WEIGHTS).exists() for member in range(members))


def loop_settings(recipe: Recipe) -> LoopSettings:
    """How the denoiser is trained, and whatever is to be trained as it is."""
    diffusion = recipe.diffusion
    return LoopSettings.of(
        recipe,
        steps=diffusion.iterations,
        learning_rate=diffusion.learning_rate,
        weight_decay=diffusion.weight_decay,
        warmup=diffusion.warmup,
        cosine=diffusion.cosine,
        ema_decay=diffusion.ema_decay,
        ema_warmup=diffusion.ema_warmup,
        checkpoint_every=diffusion.checkpoint_every,
    )


def model_settings(split: Split) -> ModelSettings:
    """The recipe's model settings with the scales of this split's maps; refuses maps of other settings or cases."""
    settings = split.run.recipe.model
    summary = split.folder / "maps" / "summary.json"
    if not summary.exists():
        raise RecipeError(f"{split.folder}: has no discrepancy maps; run the stage 'discrepancies' first")
    split.check_marker(summary, split.run.maps_fingerprint)
    remedy = f"delete {summary.parent} and run the stage 'discrepancies' again"
    scales = read_json(summary, remedy=remedy)["scales"]
    diffusion = replace(settings.diffusion, inter_scale=scales["inter"], intra_scale=scales["intra"])
    return replace(settings, diffusion=diffusion)


def load_denoiser(split: Split, member: int = 0) -> Denoiser:
    """A trained denoiser of a split; refuses settings and cases that it was not trained with."""
    path = denoiser_folder(split, member) / WEIGHTS
    if not path.exists():
        which = f"denoiser {member + 1}" if member else "denoiser"
        stage = f"'baseline {split.run.system}'" if split.run.system else "the stage 'diffusion'"
        raise RecipeError(f"{split.work}: has no trained {which}; run {stage} first")
    settings = model_settings(split)
    split.check_marker(path.with_name("recipe.json"), _learned_with(split.run, settings))
    denoiser = Denoiser(settings)
    denoiser.load_state_dict(read_tensors(path))
    return denoiser.eval()


def load_denoisers(split: Split) -> list[Denoiser]:
    """All denoisers of a split, in the order of their turns."""
    return [load_denoiser(split, member) for member in range(split.run.recipe.model.denoiser.members)]


def _first_weights(run: Run, member: int) -> dict[str, Tensor] | None:
    """Those of the model that the training starts from, or what the stage ``pretrain`` left; None where there are none.

    What that stage left is refused where it is of other settings.
    """
    start = start_of(run.recipe)
    weights = None if start is None else start.networks.denoisers[member].state_dict()
    if not run.recipe.pretraining.patients:
        return weights
    try:
        run.check_patients()
        synthetic = run.synthetic().split("final")
        if weights is None:
            return load_denoiser(synthetic, member).state_dict()
        model_settings(synthetic)  # it has maps
    except RecipeError as error:
        raise RecipeError(f"{error}; the stage 'pretrain' makes what is missing") from error
    return weights


PREVIEW_STEPS = 10
"""Most steps of a sampled mask in a preview; the paper's thousand would take longer than the training between two."""


class DiffusionTask:
    """Algorithm 1: draw t and noise, and compare the prediction with what it stands for.

    Parameters
    ----------
    settings
        The model.
    recipe
        Augmentation, timesteps and the weight of the variational bound.
    """

    def __init__(self, settings: ModelSettings, recipe: DiffusionRecipe) -> None:
        self.settings, self.recipe = settings, recipe
        self.schedule = NoiseSchedule.of(settings.diffusion)

    def draw(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Images ``(B, N C, h, w)``, maps ``(B, 2, h, w)``, masks in {−1, 1}, timesteps ``(B,)`` and noise."""
        images, maps, masks = batch
        if self.recipe.augment:
            images, maps, masks = augment(images, maps, masks, generator)
        x0 = 2 * masks[:, :1] - 1
        t = draw_timesteps(len(x0), self.schedule.timesteps, self.recipe.timestep_power, generator)
        noise = torch.randn(x0.shape, generator=generator, device=x0.device)
        return images, maps, x0, t, noise

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Losses of what was drawn."""
        images, maps, x0, t, noise = drawn
        x_t = self.schedule.add_noise(x0, noise, t)
        output, variance = net(x_t, t, condition(images, maps[:, 0], maps[:, 1], self.settings))
        return prediction_loss(output.float(), variance, x0, x_t, noise, t, self.schedule, self.settings, self.recipe)

    def preview(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> Tensor:
        """FLAIR, mask, noisy mask, the clean mask that the network expects, and a sampled mask, side by side."""
        images, _, x0, t, noise = drawn
        x_t = self.schedule.add_noise(x0, noise, t)
        output = self.output(net, drawn, x_t, t)
        expected = implied_mask(output, x_t, t, self.schedule, self.settings.diffusion.prediction)
        sampled = sample_masks(
            lambda x, time: (self.output(net, drawn, x, time), None),
            [(row, 0) for row in range(len(x0))],
            self.settings,
            sampler="ddim",
            steps=min(self.settings.sampling.steps, PREVIEW_STEPS),
            seed=0,
            device=images.device,
        )
        return side_by_side([flair(images), *((mask + 1) / 2 for mask in (x0, x_t, expected)), sampled[:, None]])

    def output(self, net: nn.Module, drawn: tuple[Tensor, ...], x_t: Tensor, t: Tensor) -> Tensor:
        """The network's raw output ``(B, 1, h, w)`` for noisy masks."""
        images, maps, *_ = drawn
        output: Tensor = net(x_t, t, condition(images, maps[:, 0], maps[:, 1], self.settings))[0]
        return output


def implied_mask(output: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule, prediction: Prediction) -> Tensor:
    """The clean mask ``(B, 1, h, w)`` in [−1, 1] that a denoiser's raw output stands for."""
    if prediction == "x0":
        return logits_to_x0(output)
    return schedule.predict_x0(output, x_t, t, prediction).clamp(-1, 1)


def prediction_loss(
    output: Tensor,
    variance: Tensor | None,
    x0: Tensor,
    x_t: Tensor,
    noise: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    settings: ModelSettings,
    recipe: DiffusionRecipe,
) -> dict[str, Tensor]:
    """Dice + cross-entropy for x0, plus the velocity's error for v; Eq 16 or the hybrid loss for ε."""
    prediction = settings.diffusion.prediction
    if prediction == "x0":
        return {"loss": dice_cross_entropy(output, x0)}
    if prediction == "v":
        probability = ((schedule.predict_x0(output, x_t, t, "v") + 1) / 2).clamp(1e-4, 1 - 1e-4)
        overlap = dice_cross_entropy(torch.logit(probability), x0)
        error = (output - schedule.velocity(x0, noise, t)).square().mean()
        return {"loss": error + overlap, "velocity": error, "dice_cross_entropy": overlap}
    simple = simple_loss(output, noise)
    if variance is None:
        return {"loss": simple}
    loss = hybrid_loss(output, variance.float(), x0, x_t, noise, t, schedule, lambda_vlb=recipe.lambda_vlb)
    return {"loss": loss, "simple": simple}


def draw_timesteps(count: int, timesteps: int, power: float, generator: torch.Generator) -> Tensor:
    """``(count,)`` 0-based timesteps, T u^(1/power)."""
    u = torch.rand(count, generator=generator, device=generator.device)
    return (timesteps * u ** (1 / power)).long().clamp(max=timesteps - 1)


def training_fingerprint(run: Run) -> dict[str, Any]:
    """What must be equal of two splits whose figures are said to be of the same recipe."""
    members = run.recipe.model.denoiser.members
    several = {"denoisers": members} if members > 1 else {}
    return {"denoiser": _fingerprint(run, run.recipe.model), "maps": run.maps_fingerprint} | several


def _learned_with(run: Run, settings: ModelSettings) -> dict[str, Any]:
    """What must be equal of a denoiser that is kept: also how the maps were made that it has learned from."""
    maps = {"maps": run.maps_fingerprint} if settings.uses_inter else {}
    return _fingerprint(run, settings) | maps


def _fingerprint(run: Run, settings: ModelSettings) -> dict[str, Any]:
    recipe = run.recipe.to_dict()
    model = settings.to_dict()
    del model["sampling"], model["denoiser"]["members"]  # each is trained as if it were alone
    return {
        "model": model | {"diffusion": told_process(settings)},
        "diffusion": {key: value for key, value in recipe["diffusion"].items() if key != "checkpoint_every"},
        "pretraining": run.pretraining_fingerprint,
        "slices": told_slices(run.recipe, are_drawn=True),
        "seed": recipe["seed"],
        **told_augmentation(is_on=run.recipe.diffusion.augment),
    } | run.start_fingerprint
