"""A run's recipe stays with the run, and a refused one does not take its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ddmd.model.settings import ContextSettings
from src_training.recipe import PRESETS, Preset, Recipe, RecipeError, preset
from src_training.saved import RECIPE_FILE, kept_recipe, read_recipe


def keep(recipe: Recipe) -> None:
    with kept_recipe(recipe):
        pass


def keep_without(out: Path, *path: str) -> None:
    """Keep a recipe as a version did that did not have one of its settings yet."""
    keep(Recipe(out=out))
    file = out / RECIPE_FILE
    group = saved = json.loads(file.read_text())
    for name in path[:-1]:
        group = group[name]
    del group[path[-1]]
    file.write_text(json.dumps(saved))


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_kept_is_read_again(name: Preset, tmp_path: Path) -> None:
    recipe = preset(name)
    recipe = replace(
        recipe,
        data=Path("elsewhere"),
        out=tmp_path,
        seed=7,
        slices=replace(recipe.slices, fold_file=Path("folds.json")),
        pretraining=replace(recipe.pretraining, anatomy=Path("brains")),
        model=replace(recipe.model, denoiser=replace(recipe.model.denoiser, channels=(8, 24))),
    )
    keep(recipe)

    assert read_recipe(tmp_path, Recipe()) == recipe
    assert read_recipe(tmp_path, preset("paper")) == recipe


def test_no_place_stays_no_place(tmp_path: Path) -> None:
    keep(Recipe(out=tmp_path))

    assert read_recipe(tmp_path, Recipe()).slices.fold_file is None
    assert read_recipe(tmp_path, Recipe()).pretraining.anatomy is None


def test_a_new_run_starts_from_its_base(tmp_path: Path) -> None:
    assert read_recipe(tmp_path / "new", preset("paper")) == preset("paper")


def test_printing_json_is_asked_for_in_each_call(tmp_path: Path) -> None:
    keep(Recipe(out=tmp_path, json=True))

    assert not read_recipe(tmp_path, Recipe()).json


@pytest.mark.parametrize(
    "content",
    [
        "{",
        '{"slices": 3}',
        '{"seed": "zero"}',
        '{"seed": true}',
        '{"seed": 0.5}',
        '{"seed": null}',
        '{"compile": 1}',
        '{"fold": 0}',
        '{"diffusion": {"learning_rate": "fast"}}',
        '{"model": {"denoiser": {"channels": 32}}}',
        '{"model": {"denoiser": {"channels": [32, "wide"]}}}',
        '{"precision": "half"}',
        '{"model": {"sampling": {"sampler": "guess"}}}',
    ],
)
def test_a_damaged_recipe_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / RECIPE_FILE).write_text(content)

    with pytest.raises(RecipeError, match=r"recipe\.json: cannot be read .*; delete it [^\n]*$"):
        read_recipe(tmp_path, Recipe())


def test_a_refused_recipe_leaves_the_earlier_one(tmp_path: Path) -> None:
    keep(Recipe(out=tmp_path, seed=1))
    with pytest.raises(RecipeError, match="refused"), kept_recipe(Recipe(out=tmp_path, seed=2)):
        raise RecipeError("refused")

    assert read_recipe(tmp_path, Recipe()).seed == 1


def test_a_refused_first_recipe_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(RecipeError, match="refused"), kept_recipe(Recipe(out=out)):
        raise RecipeError("refused")

    assert not out.exists()


def test_nor_in_a_folder_that_was_there_and_empty(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="refused"), kept_recipe(Recipe(out=tmp_path)):
        raise RecipeError("refused")

    assert list(tmp_path.iterdir()) == []


def test_the_recipe_stays_with_what_was_made_with_it(tmp_path: Path) -> None:
    out = tmp_path / "run"

    def make_something() -> None:
        with kept_recipe(Recipe(out=out, seed=3)):
            (out / "slices").mkdir()
            raise RecipeError("later")

    with pytest.raises(RecipeError, match="later"):
        make_something()

    assert read_recipe(out, Recipe()).seed == 3


def test_an_interruption_keeps_the_recipe(tmp_path: Path) -> None:
    keep(Recipe(out=tmp_path, seed=1))
    with pytest.raises(KeyboardInterrupt), kept_recipe(Recipe(out=tmp_path, seed=2)):
        raise KeyboardInterrupt

    assert read_recipe(tmp_path, Recipe()).seed == 2


def test_the_recipe_of_a_run_from_before_neighbouring_slices_is_read_without_them(tmp_path: Path) -> None:
    keep_without(tmp_path, "model", "context")

    assert read_recipe(tmp_path, Recipe()).model.context == ContextSettings(slices=0)


def test_the_recipe_of_a_run_from_before_denoisers_took_turns_has_one(tmp_path: Path) -> None:
    keep_without(tmp_path, "model", "denoiser", "members")
    model = Recipe().model
    several = Recipe(model=replace(model, denoiser=replace(model.denoiser, members=2)))
    assert read_recipe(tmp_path, several).model.denoiser.members == 1


def test_the_recipe_of_a_run_from_before_small_parts_were_left_out_keeps_them(tmp_path: Path) -> None:
    keep_without(tmp_path, "model", "sampling", "min_part")

    assert read_recipe(tmp_path, Recipe()).model.sampling.min_part == 0
