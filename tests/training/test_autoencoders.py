"""Ensembles: which sets of patients are needed, and what each ensemble has seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_ddmd.model.autoencoder import Ensemble
from napari_ddmd.model.discrepancy import resize_for_autoencoders
from src_training import autoencoders
from src_training.autoencoders import ReconstructionTask, load_ensembles, needed_sets, train_autoencoders
from src_training.dataset import Slices
from src_training.files import write_json
from src_training.loop import Task
from src_training.recipe import DiscrepancyRecipe, Recipe, RecipeError
from src_training.run import Run, Split

from .conftest import PATIENTS, tiny_recipe


def run_of(out: Path, folds: int, *, out_of_fold: bool = True) -> Run:
    """A run of three patients a fold, with a slice store in name only."""
    slices: dict[str, Any] = {"slices": [], "unhealthy": []}
    cases = {f"case{number}": {"fold": number % folds} | slices for number in range(3 * folds)}
    run = Run(Recipe(out=out, discrepancies=DiscrepancyRecipe(out_of_fold=out_of_fold)))
    write_json(run.index_path, {"fingerprint": run.slices_fingerprint, "cases": cases})
    return run


def all_splits(run: Run) -> list[Split]:
    return [*Run(replace(run.recipe, fold="cv")).splits(), run.split("final")]


def test_five_folds_and_the_final_model_need_sixteen_sets(tmp_path: Path) -> None:
    splits = all_splits(run_of(tmp_path, 5))
    sets = [frozenset(cases) for split in splits for cases in needed_sets(split)]

    assert len(splits) == 6
    assert len(sets) == 31
    assert len(set(sets)) == 16


def test_no_set_of_a_fold_has_its_held_out_patients(tmp_path: Path) -> None:
    for split in all_splits(run_of(tmp_path, 5)):
        own, *others = (set(cases) for cases in needed_sets(split))
        assert own == set(split.training_cases)
        assert not own & set(split.test_cases)
        assert len(others) == len(split.training_folds)
        for fold, cases in zip(split.training_folds, others, strict=True):
            assert own - cases == {case for case, of in split.folds.items() if of == fold}


def test_in_sample_maps_need_one_set_a_split(tmp_path: Path) -> None:
    for split in all_splits(run_of(tmp_path, 5, out_of_fold=False)):
        assert needed_sets(split) == [split.training_cases]


def test_two_folds_are_too_few_to_hold_one_out(tmp_path: Path) -> None:
    run = run_of(tmp_path, 2)

    assert len(needed_sets(run.split("final"))) == 3
    with pytest.raises(RecipeError, match=r"fold0: too few folds to compute maps out of fold; [^\n]*$"):
        needed_sets(run.split("0"))


def test_splits_share_their_ensembles(tiny_run: Run) -> None:
    # Three folds and the final model: 1 set of all, 3 without one fold, 3 without two.
    folders = list(tiny_run.ensembles.iterdir())

    assert len(folders) == 7
    for folder in folders:
        assert {file.name for file in folder.glob("*.safetensors")} == {"ae_1.safetensors", "ae_2.safetensors"}
        assert not list(folder.rglob("state.pt"))


def test_trained_ensembles_are_loaded(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoders, "train", None)  # nothing may be trained
    train_autoencoders(tiny_run)
    split = tiny_run.split("final")
    one, two = load_ensembles(split, PATIENTS)
    again, _ = load_ensembles(split, PATIENTS[::-1])

    assert not one.training
    assert len(one.members) == tiny_run.recipe.model.autoencoder.members
    assert not any(parameter.requires_grad for parameter in [*one.parameters(), *two.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.members[0].encoder[0].weight, two.members[0].encoder[0].weight)
    assert not torch.equal(one.members[0].encoder[0].weight, one.members[1].encoder[0].weight)


@pytest.mark.parametrize("option", [("--seed", "1"), ("--autoencoders.epochs", "3")])
def test_other_settings_have_other_ensembles(
    option: tuple[str, str], cohort: Path, tiny_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("would be trained")

    monkeypatch.setattr(autoencoders, "train", refuse)
    with pytest.raises(AssertionError, match="would be trained"):
        train_autoencoders(Run(tiny_recipe(cohort, tiny_out, *option, "--fold", "final")))


@pytest.mark.parametrize("option", [("--model.normalisation.upper-percentile", "98"), ("--model.frame.size", "32")])
def test_another_window_has_other_ensembles(option: tuple[str, str], cohort: Path, tiny_run: Run) -> None:
    other = Run(tiny_recipe(cohort, tiny_run.root, *option))
    split, *_ = tiny_run.splits()
    moved = Split(other, split.name, split.held_out, split.folds)
    assert autoencoders._folder(moved, split.training_cases) != autoencoders._folder(split, split.training_cases)


def batches_of(monkeypatch: pytest.MonkeyPatch, split: Split, out: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """For each kind: the slices that its training would meet, and one batch as the ensemble is shown it."""
    met: dict[str, tuple[Tensor, Tensor]] = {}

    def collect(
        folder: Path,
        model: nn.Module,
        batches: torch.utils.data.Dataset[tuple[Tensor, ...]],
        task: Task,
        *_: object,
        **__: object,
    ) -> None:
        slices = torch.cat([batches[step][0] for step in range(len(batches))])  # type: ignore[arg-type]
        shown: list[Tensor] = []

        def net(images: Tensor) -> Tensor:
            shown.append(images)
            return images[None]

        losses = task.loss(net, task.draw(batches[0], torch.Generator().manual_seed(0)))  # type: ignore[arg-type]
        assert losses["loss"] == 0
        met[folder.name] = slices, shown[0]

    monkeypatch.setattr(autoencoders, "train", collect)
    run = Run(replace(split.run.recipe, seed=9))  # not trained yet
    load_ensembles(Split(run, split.name, split.held_out, split.folds), split.training_cases)
    return met


def test_ae_2_sees_healthy_slices_only(tiny_copy: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = Run(tiny_recipe(cohort, tiny_copy)).split("1")
    slices = Slices.of(split, split.training_cases)
    small = resize_for_autoencoders(slices.image(np.arange(len(slices.rows))), 16)
    met = batches_of(monkeypatch, split, tiny_copy)

    def rows(images: Tensor) -> set[int]:
        return {int((small - image).abs().flatten(1).amax(1).argmin()) for image in images}

    healthy = set(np.flatnonzero(~slices.unhealthy).tolist())
    assert rows(met["ae_2"][0]) <= healthy
    assert len(rows(met["ae_2"][0])) >= 0.8 * len(healthy)
    assert rows(met["ae_1"][0]) - healthy
    batch, shown = met["ae_1"][0][: len(met["ae_1"][1])], met["ae_1"][1]
    is_same = [torch.equal(a, b) for a, b in zip(batch, shown, strict=True)]
    is_mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(batch, shown, strict=True)]
    assert all(a or b for a, b in zip(is_same, is_mirrored, strict=True))
    assert any(is_same)
    assert any(is_mirrored)


def test_without_mirroring_slices_are_shown_as_they_are() -> None:
    batch = (torch.arange(64.0).reshape(16, 1, 2, 2),)

    assert torch.equal(ReconstructionTask(mirror=False).draw(batch, torch.Generator().manual_seed(0))[0], batch[0])
    assert not torch.equal(ReconstructionTask(mirror=True).draw(batch, torch.Generator().manual_seed(0))[0], batch[0])


def test_patients_without_healthy_slices_are_refused(tiny_copy: Path, cohort: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--seed", "3"))
    index = Path(run.index_path)
    content = json.loads(index.read_text())
    for case in content["cases"].values():
        case["unhealthy"] = [True] * len(case["unhealthy"])
    write_json(index, content)

    with pytest.raises(RecipeError, match=r"no healthy slice in the training patients; [^\n]*$"):
        load_ensembles(run.split("final"), PATIENTS)


def test_training_lowers_the_loss(tiny_run: Run) -> None:
    split = tiny_run.split("final")
    slices = Slices.of(split, PATIENTS)
    images = resize_for_autoencoders(slices.image(np.arange(len(slices.rows))), 16)
    trained, _ = load_ensembles(split, PATIENTS)
    torch.manual_seed(tiny_run.recipe.seed * 2)
    fresh = Ensemble(tiny_run.recipe.model.autoencoder)

    def error(ensemble: Ensemble) -> float:
        return float((ensemble.train()(images) - images).square().mean())

    with torch.no_grad():
        assert error(trained) < 0.95 * error(fresh)
