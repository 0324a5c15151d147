"""Splits of a run: who is learned from, who is held out, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from src_training.files import write_json
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run

from .conftest import PATIENTS


def test_every_patient_is_held_out_once(tiny_run: Run) -> None:
    splits = Run(replace(tiny_run.recipe, fold="cv")).splits()

    assert [split.name for split in splits] == ["fold0", "fold1", "fold2"]
    assert sorted(case for split in splits for case in split.test_cases) == sorted(PATIENTS)
    for split in splits:
        assert split.held_out not in split.training_folds
        assert {*split.training_cases, *split.test_cases} == set(PATIENTS)
        assert not set(split.training_cases) & set(split.test_cases)


def test_the_final_training_learns_from_all(tiny_run: Run) -> None:
    (final,) = tiny_run.splits()

    assert final.folder == tiny_run.root / "final"
    assert sorted(final.training_cases) == sorted(PATIENTS)
    assert final.test_cases == []
    assert final.training_folds == [0, 1, 2]
    (alone,) = (case for case, fold in final.folds.items() if fold == 1)
    assert alone not in final.cases_without([1])
    assert len(final.cases_without([1])) == len(PATIENTS) - 1


@pytest.mark.parametrize("name", ["7", "7" * 5000, "²"])
def test_a_fold_that_is_not_there_is_refused(name: str, tiny_run: Run) -> None:
    with pytest.raises(RecipeError, match=f"fold '{name}' does not exist; choose final, cv or one of 0, 1, 2"):
        tiny_run.split(name)


def test_splits_need_a_slice_store(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="has no slice store; run the stage 'prepare' first"):
        Run(Recipe(out=tmp_path)).splits()


def test_a_store_of_other_settings_is_refused(tiny_run: Run) -> None:
    model = replace(tiny_run.recipe.model, frame=replace(tiny_run.recipe.model.frame, extent_mm=99.0))
    with pytest.raises(RecipeError, match=r"index.json: was made with other settings \(frame\)"):
        Run(replace(tiny_run.recipe, model=model)).split("final")


def test_other_settings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    write_json(path, {"fingerprint": {"same": [1], "changed": 2, "gone": 3}})
    run = Run(Recipe(out=tmp_path))

    run.check_fingerprint(path, {"same": (1,), "changed": 2, "gone": 3})
    with pytest.raises(RecipeError, match=r"made\.json: was made with other settings \(changed, gone, new\); [^\n]+$"):
        run.check_fingerprint(path, {"same": (1,), "changed": 4, "new": 5})
