"""Counting slices: in the store, in the cases, and in a balanced set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src_training.census import Census
from src_training.dataset import Slices
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe


def balanced(recipe: Recipe) -> Recipe:
    return replace(recipe, slices=replace(recipe.slices, balance_sets=True))


def test_store_and_cases_give_the_same(cohort: Path, tiny_run: Run, tmp_path: Path) -> None:
    stored, counted = Census.of(tiny_run), Census.of(Run(tiny_recipe(cohort, tmp_path)))

    assert stored.folds == counted.folds
    assert stored.judged == counted.judged == dict.fromkeys(PATIENTS, 7)
    for name in PATIENTS:
        np.testing.assert_array_equal(stored.unhealthy[name], counted.unhealthy[name])
    assert list(tmp_path.iterdir()) == []


def test_what_is_counted_is_what_is_learned_from(tiny_run: Run) -> None:
    census, recipe, split = Census.of(tiny_run), tiny_run.recipe, tiny_run.split("final")
    slices = Slices.of(split, PATIENTS)
    thinned = slices.balanced(recipe.seed)

    assert census.kinds(PATIENTS) == (int((~slices.unhealthy).sum()), int(slices.unhealthy.sum()))
    assert census.learned_from(PATIENTS, recipe) == census.kinds(PATIENTS)
    assert census.learned_from(PATIENTS, balanced(recipe)) == (
        int((~thinned.unhealthy).sum()),
        int(thinned.unhealthy.sum()),
    )


def test_one_kind_alone_cannot_be_balanced(tiny_run: Run) -> None:
    census = Census.of(tiny_run)
    alone = replace(census, unhealthy={name: np.ones(3, bool) for name in PATIENTS})

    with pytest.raises(RecipeError, match="no healthy slice in the training patients"):
        alone.learned_from(PATIENTS, balanced(tiny_run.recipe))
