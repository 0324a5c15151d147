"""One interface for all systems: whose settings count, and what judges."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src_training import systems
from src_training.recipe import SYSTEMS, Recipe, RecipeError
from src_training.run import Run
from src_training.systems import for_system, how, system_name, train_system

from .conftest import tiny_recipe


def test_a_run_is_named_after_what_it_trains() -> None:
    run = Run(Recipe())

    assert system_name(run) == "ddmd"
    assert [system_name(for_system(run, name)) for name in SYSTEMS] == list(SYSTEMS)


def test_an_unknown_system_is_refused_in_one_line() -> None:
    with pytest.raises(RecipeError, match=r"^system 'u-net' does not exist; choose one of unet, segnet, [^\n]*$"):
        for_system(Run(Recipe()), "u-net")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"baselines": {"learning_rate": 0.5}}, {"unet", "segnet", "deeplabv3plus"}),
        ({"diffusion": {"iterations": 9}}, {"cimd", "ddmd-mini", "ddmd-light", "ddmd", "unet-tuned"}),
        ({"pretraining": {"patients": 9}}, {"cimd", "ddmd-mini", "ddmd-light", "ddmd", "unet-tuned"}),
        ({"discrepancies": {"out_of_fold": False}}, {"ddmd-mini", "ddmd-light", "ddmd"}),
        ({"slices": {"first_slice": 9}}, set(SYSTEMS)),
        ({"diffusion": {"checkpoint_every": 9}, "baselines": {"checkpoint_every": 9}}, set()),
    ],
)
def test_figures_tell_of_the_settings_that_they_depend_on(change: dict[str, dict[str, Any]], told: set[str]) -> None:
    recipe = Recipe()
    other = replace(recipe, **{part: replace(getattr(recipe, part), **values) for part, values in change.items()})

    assert {name for name in SYSTEMS if how(Run(recipe).for_system(name)) != how(Run(other).for_system(name))} == told


def test_figures_tell_of_seed_and_sampling() -> None:
    recipe = Recipe()
    sampling = replace(recipe.model.sampling, threshold=0.7)
    for other in (replace(recipe, seed=1), replace(recipe, model=replace(recipe.model, sampling=sampling))):
        assert all(how(Run(recipe).for_system(name)) != how(Run(other).for_system(name)) for name in SYSTEMS)


def test_segmentation_networks_wait_for_no_autoencoders(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for stage in ("train_autoencoders", "make_discrepancies", "pretrain", "train_diffusion"):
        monkeypatch.setattr(systems, stage, lambda run, stage=stage: done.append(stage))
    monkeypatch.setattr("src_training.baselines.training.train_baseline", lambda run: done.append("train_baseline"))

    def stages(name: str) -> list[str]:
        done.clear()
        train_system(Run(Recipe()).for_system(name))
        return list(done)

    assert stages("unet-tuned") == stages("segnet") == ["train_baseline"]
    assert stages("cimd") == ["train_autoencoders", "make_discrepancies", "train_baseline"]
    assert stages("ddmd-mini") == ["train_autoencoders", "make_discrepancies", "pretrain", "train_diffusion"]


def test_a_judge_is_known_by_the_weights_it_judges_with(tiny_copy: Path, cohort: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0")).for_system("unet-tuned")
    train_system(run)
    (split,) = run.splits()
    digest, judge = systems.load_judge(split)
    weights = (split.work / "training" / "network.safetensors").read_bytes()

    assert digest == hashlib.sha256(weights).hexdigest()
    assert callable(judge)
    own = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0")).splits()[0]
    assert systems.load_judge(own)[0] != digest
