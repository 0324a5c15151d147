"""What changes nothing about a result does not keep it from being built on; what does is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src_training import augment, autoencoders
from src_training.baselines.training import fingerprint
from src_training.diffusion import load_denoiser, model_settings, training_fingerprint
from src_training.files import write_json
from src_training.fingerprints import are_same
from src_training.prepare import prepare
from src_training.publish import publish
from src_training.recipe import PretrainingRecipe, RecipeError
from src_training.run import Run, Split
from src_training.summary import summarise

from .conftest import tiny_recipe

OTHER_PRETRAINING = PretrainingRecipe(patients=0, iterations=7, learning_rate=7e-3, share=0.7, autoencoder_epochs=7)


def fingerprints(run: Run) -> list[dict[str, Any]]:
    return [
        run.slices_fingerprint,
        run.maps_fingerprint,
        training_fingerprint(run),
        *(fingerprint(run.for_system(name)) for name in ("deeplabv3plus", "unet-tuned")),
    ]


def as_told_before(path: Path, folds: str = "elsewhere/folds.json", fraction: float = 0.5) -> None:
    """Write a result's settings as versions did that told the fold file, and all of a pre-training that was none."""

    def told(data: Any) -> Any:
        if isinstance(data, list):
            return [told(value) for value in data]
        if not isinstance(data, dict):
            return data
        data = {key: told(value) for key, value in data.items()}
        if "min_brain_mm2" in data:
            data = {"unhealthy_fraction": fraction} | data | {"fold_file": folds}
        if data == {"patients": 0}:
            data = {
                key: value for key, value in vars(OTHER_PRETRAINING).items() if key not in ("anatomy", "autoencoders")
            }
        return data

    write_json(path, told(json.loads(path.read_text())))


def test_settings_of_a_pretraining_that_there_is_none_of_change_nothing(tiny_run: Run) -> None:
    other = Run(replace(tiny_run.recipe, pretraining=OTHER_PRETRAINING))
    assert fingerprints(other) == fingerprints(tiny_run)
    some = Run(replace(other.recipe, pretraining=replace(OTHER_PRETRAINING, patients=2)))
    assert some.pretraining_fingerprint["iterations"] == 7


def test_where_the_folds_are_listed_changes_nothing(tiny_run: Run) -> None:
    slices = replace(tiny_run.recipe.slices, fold_file=Path("folds.json"))
    assert fingerprints(Run(replace(tiny_run.recipe, slices=slices))) == fingerprints(tiny_run)


def test_the_share_of_lesions_in_a_batch_counts_where_batches_are_drawn_with_one(tiny_run: Run) -> None:
    slices = replace(tiny_run.recipe.slices, unhealthy_fraction=0.25)
    pairs = zip(fingerprints(Run(replace(tiny_run.recipe, slices=slices))), fingerprints(tiny_run), strict=True)
    assert [mine == theirs for mine, theirs in pairs] == [True, True, False, True, False]


def test_a_run_of_an_earlier_version_goes_on(tiny_copy: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose fold file lay elsewhere, and whose defaults were others."""
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0"))
    before, split = summarise(run), run.split("0")
    sets = autoencoders.needed_sets(split)
    folders = [autoencoders._folder(split, cases) for cases in sets]
    assert folders == [folder_then(split, cases, None) for cases in sets]
    for path in [*tiny_copy.glob("slices/*.json"), *tiny_copy.glob("*/maps/summary.json")]:
        as_told_before(path)
    for path in [*tiny_copy.glob("*/diffusion/recipe.json"), *tiny_copy.glob("*/evaluation/*.json")]:
        as_told_before(path)
    as_told_before(tiny_copy / "metrics.json")
    for folder, cases in zip(folders, sets, strict=True):
        shutil.move(folder, folder_then(split, cases, "elsewhere/folds.json"))

    monkeypatch.setattr(autoencoders, "train", untrained)
    prepare(run)
    model_settings(split)
    load_denoiser(split)
    assert autoencoders.has_ensembles(split, sets[0])
    (folder,) = publish(run)
    card = (folder / "README.md").read_text()
    assert "Cross-validation of the same recipe (4 of 4 patients)" in card
    assert "Figures of these very weights" in card
    assert summarise(run) == before


def folder_then(split: Split, cases: Sequence[str], folds: str | None) -> Path:
    """Where a set's ensembles were kept: all that was told had a part in the name."""
    recipe = split.run.recipe.to_dict()
    told = {
        "frame": recipe["model"]["frame"],
        "cases": sorted(cases),
        "autoencoder": recipe["model"]["autoencoder"],
        "training": recipe["autoencoders"],
        "slices": recipe["slices"] | {"fold_file": folds},
        "seed": 0,
    }
    return split.run.ensembles / hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def untrained(*_: object, **__: object) -> None:
    raise AssertionError("is trained again")


@pytest.mark.parametrize("change", [{"first_slice": 3}, {"unhealthy_fraction": 0.25}])
def test_what_does_count_is_refused_in_the_words_of_then(change: dict[str, Any], tiny_copy: Path, cohort: Path) -> None:
    marker = tiny_copy / "fold0" / "diffusion" / "recipe.json"
    as_told_before(marker)
    made = json.loads(marker.read_text())
    made["fingerprint"]["slices"] |= change
    write_json(marker, made)
    with pytest.raises(RecipeError, match=r"was made with other settings \(slices\)"):
        load_denoiser(Run(tiny_recipe(cohort, tiny_copy)).split("0"))


@pytest.mark.parametrize(
    ("made", "wanted", "same"),
    [
        ({"pretraining": {"patients": 0, "share": 0.5}}, {"pretraining": {"patients": 0}}, True),
        ({"pretraining": {"patients": 2, "share": 0.5}}, {"pretraining": {"patients": 0}}, False),
        ({"pretraining": {"patients": 0}}, {"pretraining": {"patients": 2, "share": 0.5}}, False),
        ({"maps": {"slices": {"folds": 3, "fold_file": "a"}}}, {"maps": {"slices": {"folds": 3}}}, True),
        ({"maps": {"slices": {"folds": 3, "unhealthy_fraction": 1}}}, {"maps": {"slices": {"folds": 3}}}, True),
        ({"maps": {"slices": {"folds": 3, "else": 1}}}, {"maps": {"slices": {"folds": 3}}}, False),
        ({"slices": {"unhealthy_fraction": 1}}, {"slices": {"unhealthy_fraction": 0}}, False),
        (None, {}, False),
    ],
)
def test_what_is_told_no_more_is_not_compared(made: Any, wanted: Any, same: bool) -> None:
    assert are_same(made, wanted) == same


def test_another_augmentation_makes_other_weights(tiny_run: Run, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_run.recipe
    plain = Run(replace(recipe, diffusion=replace(recipe.diffusion, augment=False)))
    baselines = Run(replace(plain.recipe, baselines=replace(recipe.baselines, augment=True)))
    before = [fingerprints(run) for run in (tiny_run, plain, baselines)]
    monkeypatch.setattr(augment, "AUGMENTATION", 2)
    after = [fingerprints(run) for run in (tiny_run, plain, baselines)]
    same = [[mine == theirs for mine, theirs in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]

    #                store, maps, denoiser, a baseline, one that is trained as the denoiser
    assert same[0] == [True, True, False, True, False]
    assert same[1] == [True, True, True, True, True], "nothing is augmented"
    assert same[2] == [True, True, True, False, True]
    split = tiny_run.split("0")
    with pytest.raises(RecipeError, match=r"was made with other settings \(augmentation\)"):
        load_denoiser(split)
    monkeypatch.setattr(augment, "AUGMENTATION", 1)
    load_denoiser(split)
