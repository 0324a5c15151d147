"""Stage ``figures``: draw what can be drawn of a run; nothing is trained."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from src_training import distributed
from src_training.figures.cross_fitting import cross_fitting
from src_training.figures.denoising import fig5_denoising
from src_training.figures.score_histograms import fig4_scores
from src_training.figures.side_by_side import fig3_systems
from src_training.figures.steps_curve import steps_curve
from src_training.figures.trained import Patient, trained_systems
from src_training.figures.uncertainty import uncertainty
from src_training.recipe import RecipeError
from src_training.run import Run
from src_training.systems import for_system

FIGURES: tuple[Callable[[Run, list[Patient]], list[Path]], ...] = (
    fig3_systems,
    fig4_scores,
    fig5_denoising,
    uncertainty,
    cross_fitting,
    steps_curve,
)
"""What draws, in this order; the one that takes longest is the last."""


def figures(run: Run) -> None:
    """Write every figure of the run into ``RUN/figures/`` as PNG, SVG and, with its numbers, JSON.

    Held-out patients are shown by the models that have not seen them. Without a fold, those of all folds are. Systems
    that are not trained are left out, and named on standard error.

    Raises
    ------
    RecipeError
        If there is no slice store or no trained system.
    """
    if not distributed.is_main():
        return
    for name in run.recipe.systems:
        for_system(run, name)  # refuses a name before anything is drawn
    patients = held_out_patients(run)
    for draw in FIGURES:
        for path in draw(run, patients):
            print(path, file=sys.stderr)


def held_out_patients(run: Run) -> list[Patient]:
    """The held-out patients of the folds that are asked for, by name, each with the systems that have not seen it.

    Raises
    ------
    RecipeError
        If there is none, with the command that makes what is missing.
    """
    run = run.home
    if run.recipe.fold == "final":  # holds nobody out
        run = replace(run, recipe=replace(run.recipe, fold="cv"))
    remedy = f"run 'python -m src_training table --data {run.recipe.data} --out {run.root}' first"
    if not run.index_path.exists():
        raise RecipeError(f"{run.root}: has no slice store; {remedy}")
    patients: list[Patient] = []
    for split in run.splits():
        systems = trained_systems(split, run.recipe.systems)
        absent = [name for name in run.recipe.systems if name not in systems]
        if absent:
            print(f"{split.name}: not trained, left out: {', '.join(absent)}", file=sys.stderr)
        if systems:
            patients += [Patient(name, split, systems) for name in split.test_cases]
    if not patients:
        raise RecipeError(f"{run.root}: has no trained system; {remedy}")
    return sorted(patients, key=lambda patient: patient.name)
