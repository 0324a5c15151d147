"""Samples a second of the denoiser's training from the slice store, against the same steps fed from memory.

Takes a run of ``python -m src_training`` that has its slices and maps. Trainings of a few steps take turns, in a folder
that is thrown away; the losses are the same, since the batches are.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.shared import USER_ERRORS, Row, count, fault, finish, machine, parser
from napari_ddmd.model.denoiser import Denoiser
from src_training.diffusion import ConditionedBatches, DiffusionTask, loop_settings, model_settings
from src_training.loop import make_fabric, train
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run, Split
from src_training.saved import RECIPE_FILE, read_recipe


class InMemory(Dataset[tuple[Tensor, ...]]):
    """Batches that are all made beforehand."""

    def __init__(self, batches: ConditionedBatches, number: int) -> None:
        self.batches = [batches[step] for step in range(number)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        return self.batches[step]


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    options.add_argument("run", type=Path, help="folder of a training with slices and maps")
    options.add_argument("--fold", default="0", help="fold that is held out, or final")
    options.add_argument("--steps", type=count, default=30, help="of each training")
    options.add_argument("--repeats", type=count, default=3, help="trainings of each kind; the median counts")
    options.add_argument("--workers", type=int, default=1, help="processes that read; 0 reads in the training itself")
    arguments = options.parse_args()
    try:
        return measure(arguments)
    except (*USER_ERRORS, RecipeError) as error:
        return fault(error)


def measure(arguments: argparse.Namespace) -> int:
    """Take the figures."""
    if not (arguments.run / RECIPE_FILE).exists():
        raise RecipeError(f"{arguments.run}: holds no {RECIPE_FILE}; give the folder of a training")
    recipe = replace(read_recipe(arguments.run, Recipe()), out=arguments.run, log_every=10_000)
    recipe = replace(recipe, diffusion=replace(recipe.diffusion, iterations=arguments.steps, checkpoint_every=10_000))
    split = Run(recipe).split(arguments.fold)
    stored = ConditionedBatches(split)
    sources: dict[str, Dataset[tuple[Tensor, ...]]] = {
        "memory": InMemory(stored, arguments.steps),
        "slice store": stored,
    }
    taken: dict[str, list[float]] = {name: [] for name in sources}
    for turn in range(arguments.repeats + 1):  # the first is slower
        for name, source in sources.items():
            print(f"turn {turn} of {arguments.repeats}: {name}", file=sys.stderr, flush=True)
            workers = arguments.workers if source is stored else 0  # what lies in memory needs no process that reads
            taken[name].append(_seconds(split, source, workers))
    medians = {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}
    images = arguments.steps * recipe.diffusion.batch_size
    rows: list[Row] = [
        {
            "fed from": name,
            "s / step": seconds / arguments.steps,
            "slices / s": images / seconds,
            "of memory": medians["memory"] / seconds,
        }
        for name, seconds in medians.items()
    ]
    facts = {"steps": arguments.steps, "batch": recipe.diffusion.batch_size, "reading processes": arguments.workers}
    device = make_fabric(recipe).device
    finish(rows, {"machine": machine(device), "training": facts}, arguments.json)
    return 0


def _seconds(split: Split, source: Dataset[tuple[Tensor, ...]], workers: int) -> float:
    recipe, settings = split.run.recipe, model_settings(split)
    with tempfile.TemporaryDirectory(prefix="napari-ddmd-feed-") as folder:
        started = time.perf_counter()
        train(
            Path(folder),
            Denoiser(settings),
            source,
            DiffusionTask(settings, recipe.diffusion),
            loop_settings(recipe),
            fabric=make_fabric(recipe),
            seed=recipe.seed,
            workers=workers,
            name="feed",
        )
        return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
