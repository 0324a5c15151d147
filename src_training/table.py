"""Stage ``table``: Table 1, every system over every fold, as far as it is missing."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from safetensors import safe_open

from src_training import distributed
from src_training.baselines.training import check_network
from src_training.checks import SIDES
from src_training.diffusion import denoiser_folder
from src_training.evaluate import evaluate_split, write_summary
from src_training.files import read_json, write_bytes, write_json
from src_training.prepare import prepare
from src_training.recipe import DDMD_VARIANTS
from src_training.run import Run, Split
from src_training.synthetic_patients import make_patients
from src_training.systems import for_system, train_system
from src_training.table_text import csv_table, markdown_pages

_TIMING = "timing.json"
TRIAL_PATIENTS = 3
"""Synthetic patients of the preset smoke, one for each of its folds."""


def table(run: Run) -> None:
    """Train and evaluate what is missing, write ``table.md``, ``table.csv`` and ``metrics.json``, and print the table.

    The order is fold by fold, so that an interrupted comparison has whole folds. Without a fold, all are done.
    """
    if run.recipe.fold == "final":
        run = replace(run, recipe=replace(run.recipe, fold="cv"))
    runs = [for_system(run, name) for name in run.recipe.systems]
    for name in run.recipe.systems:  # all are refused before any is trained
        check_network(run.recipe, name)
    if run.recipe.preset == "smoke" and not distributed.on_main(run.recipe.data.exists):
        _make_trial(run)
    prepare(run)
    cells = list(product(run.splits(), zip(run.recipe.systems, runs, strict=True)))
    for number, (split, (name, system)) in enumerate(cells, 1):
        if distributed.is_main():
            print(f"table: {number} of {len(cells)}, {name}, {split.name}", file=sys.stderr)
        alone = replace(system, recipe=replace(system.recipe, fold=str(split.held_out)))
        train_system(alone)
        (own,) = alone.splits()
        evaluate_split(own)
    # The printed figures of --json are those of the table, so that they are printed once.
    summary = write_summary(run)
    if not distributed.is_main():
        return
    summary["budget"] = {name: budget(for_system(run, name)) for name in summary["systems"]}
    write_json(run.root / "metrics.json", summary)
    page = markdown_pages(summary)
    write_bytes(run.root / "table.md", page.encode())
    write_bytes(run.root / "table.csv", csv_table(summary).encode())
    print(page, file=sys.stderr if run.recipe.json else sys.stdout)


def _make_trial(run: Run) -> None:
    """Synthetic patients where the preset smoke finds none; the folder is there once all of them are."""
    folder = run.recipe.data
    print(f"smoke: {folder} does not exist; synthetic patients are made there", file=sys.stderr)
    unfinished = folder.with_name(f".{folder.name}.part")
    make_patients(unfinished, TRIAL_PATIENTS, run.recipe.seed, run.recipe.workers)
    distributed.on_main(lambda: unfinished.rename(folder))


def budget(run: Run) -> dict[str, Any]:
    """What the trainings of a system were given: slices, resolution, parameters, and minutes in each fold."""
    every = replace(run, recipe=replace(run.recipe, fold="cv")).splits()
    remedy = "delete it: the table leaves these minutes out then"
    trained = [folders for folders in map(network_folders, every) if all(map(_is_timed, folders))]
    timings = [[read_json(folder / _TIMING, remedy=remedy) for folder in folders] for folders in trained]
    recipe = run.recipe.baselines if run.system in SIDES else run.recipe.diffusion
    weights = [path for folder in (trained[0] if trained else ()) for path in folder.glob("*.safetensors")]
    return {
        "iterations": sum(timing["steps"] for timing in timings[0]) if timings else None,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "size": run.recipe.model.frame.size,
        "parameters": sum(map(_parameters, weights)) if weights else None,
        "minutes": [sum(timing["seconds"] for timing in networks) / 60 for networks in timings],
    }


def network_folders(split: Split) -> list[Path]:
    """Where the networks of a split's system were trained: one, or as many as there are denoisers that take turns."""
    name = split.run.system
    if name is None or name in DDMD_VARIANTS:
        return [denoiser_folder(split, member) for member in range(split.run.recipe.model.denoiser.members)]
    return [split.work / "training"]


def _is_timed(folder: Path) -> bool:
    return (folder / _TIMING).exists()


def _parameters(path: Path) -> int:
    """Numbers in a file of weights; the running means of batch normalisation are no parameters."""
    with safe_open(path, "pt") as weights:
        shapes = {key: weights.get_slice(key).get_shape() for key in weights.keys()}  # noqa: SIM118
    total = 0
    for key, shape in shapes.items():
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            total += math.prod(shape)
    return total
