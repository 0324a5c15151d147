"""Training of the systems beside DDMD, each in the folder ``<split>/systems/<NAME>/training``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.weights import without_memory
from src_training import distributed
from src_training.augment import told_augmentation
from src_training.baselines.cimd import CimdNetwork, CimdTask
from src_training.baselines.deeplabv3plus import deeplabv3plus
from src_training.baselines.segnet import SegNet
from src_training.baselines.tasks import SegmentationTask
from src_training.baselines.unet import unet
from src_training.baselines.unet_tuned import TunedUNet
from src_training.checks import SIDES, check_system
from src_training.dataset import Slices, draw_epochs
from src_training.diffusion import ConditionedBatches, loop_settings
from src_training.files import read_tensors, write_json
from src_training.fingerprints import told_process, told_slices
from src_training.loop import LoopSettings, Task, keep_weights, make_fabric, train
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run, Split
from src_training.synthetic_patients import prepare_synthetic

NETWORKS: dict[str, Callable[[Recipe], nn.Module]] = {
    "unet": lambda recipe: unet(encoder=recipe.baselines.encoder),
    "segnet": lambda _: SegNet(),
    "deeplabv3plus": lambda recipe: deeplabv3plus(encoder=recipe.baselines.encoder),
    "cimd": lambda recipe: CimdNetwork(recipe.model),
    "unet-tuned": lambda recipe: TunedUNet(recipe.model),
}
TRAINED_AS_DENOISER = ("cimd", "unet-tuned")
"""Systems with the denoiser's own recipe: its batches, optimiser and pre-training."""
WEIGHTS = "network.safetensors"


class EpochBatches(Dataset[tuple[Tensor, ...]]):
    """Batches of images and masks, with no map between them; all slices are passed through in each epoch."""

    def __init__(self, split: Split) -> None:
        recipe = split.run.recipe
        self.slices, self.seed = Slices.learned_from(split, split.training_cases), recipe.seed
        count = len(self.slices.rows)
        self.size = min(recipe.baselines.batch_size, count)
        self.steps = recipe.baselines.iterations or recipe.baselines.epochs * max(1, count // self.size)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        rows = draw_epochs(len(self.slices.rows), self.size, step, self.seed)
        masks = self.slices.mask(rows)
        return self.slices.image(rows), masks[:, :0], masks


def train_baseline(run: Run) -> None:
    """Train the run's system on every split that the run asks for; what is done is kept."""
    check_system(run.recipe, _name(run))
    for split in run.splits():
        folder = training_folder(split)
        marker, done = folder / "recipe.json", folder / WEIGHTS
        if marker.exists():
            split.check_marker(marker, fingerprint(run))
        if distributed.on_main(done.exists):
            continue
        torch.manual_seed(run.recipe.seed)
        network = NETWORKS[_name(run)](run.recipe)
        if _name(run) in TRAINED_AS_DENOISER and run.recipe.pretraining.patients:
            network.load_state_dict(_pretrained(run))
        if distributed.is_main() and not marker.exists():
            write_json(marker, split.marker(fingerprint(run)))  # after all that can be refused
        task, batches, settings = _lesson(split)
        train(
            folder,
            network,
            batches,
            task,
            settings,
            fabric=make_fabric(run.recipe),
            seed=run.recipe.seed,
            workers=run.recipe.workers,
            name=f"{_name(run)} {split.name}",
            facts={"cases learned from": len(split.training_cases), "cases held out": len(split.test_cases)},
        )
        keep_weights(done, network)


def check_network(recipe: Recipe, name: str) -> None:
    """Refuse a system that cannot be trained, or its network not be made, with the settings of a run.

    Raises
    ------
    RecipeError
        One line: which setting, and what to give instead.
    """
    check_system(recipe, name)
    if name in SIDES:
        try:
            without_memory(lambda: NETWORKS[name](recipe))
        except RecipeError:
            raise
        except (RuntimeError, ValueError):
            return  # some encoders cannot be made without memory, or are larger than what is published


def load_baseline(split: Split) -> nn.Module:
    """The trained network of a split, in evaluation mode; refuses settings and cases that it was not trained with."""
    folder, name = training_folder(split), _name(split.run)
    if not (folder / WEIGHTS).exists():
        raise RecipeError(f"{folder}: has no trained network; run 'baseline {name}' first")
    split.check_marker(folder / "recipe.json", fingerprint(split.run))
    network = NETWORKS[name](split.run.recipe)
    network.load_state_dict(read_tensors(folder / WEIGHTS))
    return network.eval().requires_grad_(False)


def load_cimd_denoiser(split: Split) -> Denoiser:
    """The denoiser of a trained CIMD; its encoders have done their work and are left out."""
    network = load_baseline(split)
    if not isinstance(network, CimdNetwork):
        raise TypeError(f"{_name(split.run)} has no denoiser")
    return network.denoiser


def training_folder(split: Split) -> Path:
    """Where the system of a split is trained."""
    return split.work / "training"


def fingerprint(run: Run) -> dict[str, Any]:
    """The settings that a baseline's weights depend on."""
    recipe, name = run.recipe.to_dict(), _name(run)
    model = recipe["model"]
    del model["denoiser"]["members"]  # one network is trained
    made = {key: model[key] for key in ("normalisation", "frame")} | {"system": name}
    if name in TRAINED_AS_DENOISER:
        made["context"] = model["context"]
        own = {
            "denoiser": model["denoiser"],
            "diffusion": recipe["diffusion"],
            "pretraining": run.pretraining_fingerprint,
        }
        if name == "cimd":
            own["process"] = told_process(run.recipe.model)
    else:
        own = {"baselines": dict(recipe["baselines"])}
    for settings in own.values():
        settings.pop("checkpoint_every", None)
    slices = told_slices(run.recipe, are_drawn=name in TRAINED_AS_DENOISER)
    group = run.recipe.diffusion if name in TRAINED_AS_DENOISER else run.recipe.baselines
    return made | own | {"slices": slices, "seed": recipe["seed"]} | told_augmentation(is_on=group.augment)


def _name(run: Run) -> str:
    """The run's system; refuses one that is not trained here."""
    if run.system not in NETWORKS:
        raise RecipeError(f"{run.system!r} is no baseline; choose one of {', '.join(NETWORKS)}")
    return run.system


def _lesson(split: Split) -> tuple[Task, Dataset[tuple[Tensor, ...]], LoopSettings]:
    """What is learned, from which batches, and how."""
    recipe, name = split.run.recipe, _name(split.run)
    if name in TRAINED_AS_DENOISER:
        task: Task = (
            CimdTask(recipe.model, recipe.diffusion)
            if name == "cimd"
            else SegmentationTask(changed=recipe.diffusion.augment)
        )
        return task, ConditionedBatches(split, with_maps=False), loop_settings(recipe)
    batches, baselines = EpochBatches(split), recipe.baselines
    settings = LoopSettings.of(
        recipe,
        steps=len(batches),
        learning_rate=baselines.learning_rate,
        cosine=baselines.cosine,
        checkpoint_every=baselines.checkpoint_every,
    )
    return SegmentationTask(changed=baselines.augment), batches, settings


def _pretrained(run: Run) -> dict[str, Tensor]:
    """Weights of the same system after the training on synthetic patients, which is made up for if it is missing."""
    prepare_synthetic(run)
    synthetic = run.synthetic()
    train_baseline(synthetic)
    return load_baseline(synthetic.split("final")).state_dict()
