"""The systems of Table 1 under one interface: what each needs, its training, and its judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from napari_ddmd.case import Case
from src_training import distributed
from src_training.autoencoders import train_autoencoders
from src_training.diffusion import train_diffusion, training_fingerprint
from src_training.discrepancies import make_discrepancies
from src_training.pretraining import pretrain
from src_training.recipe import DDMD_VARIANTS, SYSTEMS, RecipeError, own_system
from src_training.run import Run, Split

Judge = Callable[[Case], dict[str, Any]]
"""Every figure of one patient."""

DIFFUSION_SYSTEMS = ("cimd", *DDMD_VARIANTS)
"""Systems that are published as bundles and sampled by `napari_ddmd.segment`."""


def system_name(run: Run) -> str:
    """Name in Table 1 of what a run trains."""
    return run.system or own_system(run.recipe)


def for_system(run: Run, name: str) -> Run:
    """The run for a system of Table 1.

    Raises
    ------
    RecipeError
        If there is none of that name.
    """
    if name not in SYSTEMS:
        raise RecipeError(f"system {name!r} does not exist; choose one of {', '.join(SYSTEMS)}")
    return run.for_system(name)


def prepare_system(run: Run) -> None:
    """Run the stages that a system's training builds on, beside the slice store; what is done is kept.

    Every bundle carries the two ensembles, so that CIMD's waits for them, too.
    """
    if system_name(run) in DIFFUSION_SYSTEMS:
        train_autoencoders(run)
        make_discrepancies(run)


def train_system(run: Run) -> None:
    """Train the run's system on every split that the run asks for; what is done is kept."""
    prepare_system(run)
    if system_name(run) in DDMD_VARIANTS:
        pretrain(run)
        train_diffusion(run)
        return
    from src_training.baselines.training import train_baseline

    train_baseline(run)


def load_judge(split: Split) -> tuple[str, Judge]:
    """What judges patients with the trained system of a split, and the hash of its weights."""
    from src_training.evaluate import evaluate_case, evaluate_network

    run, name = split.run, system_name(split.run)
    recipe, device = run.recipe, str(distributed.own_device(run.recipe.device))
    if name in DIFFUSION_SYSTEMS:
        from napari_ddmd.model.bundle import read_bundle
        from src_training.publish import publish_split

        bundle = read_bundle(publish_split(split))
        return bundle.sha256, lambda case: evaluate_case(case, bundle, device=device, seed=recipe.seed)
    from src_training.baselines.training import WEIGHTS, load_baseline, training_folder

    network = load_baseline(split)
    digest = hashlib.sha256((training_folder(split) / WEIGHTS).read_bytes()).hexdigest()
    return digest, lambda case: evaluate_network(case, network, recipe, name, device=device)


def publish_figures(split: Split) -> None:
    """Publish a system that is a bundle once more, now with the figures of the patients that it has just judged."""
    if system_name(split.run) in DIFFUSION_SYSTEMS:
        from src_training.publish import publish_split

        publish_split(split)


def how(run: Run) -> dict[str, Any]:
    """Training and sampling that figures of one system must share to be joined; as it comes back from JSON."""
    if system_name(run) in DDMD_VARIANTS:
        training = training_fingerprint(run)
    else:
        from src_training.baselines.training import fingerprint

        training = fingerprint(run)
    made = {"training": training, "sampling": run.recipe.model.sampling.told(), "seed": run.recipe.seed}
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain
