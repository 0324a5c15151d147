"""The autoencoders of real patients learn from synthetic ones, too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_ddmd.model.discrepancy import resize_for_autoencoders
from napari_ddmd.synthetic import case as room
from napari_ddmd.synthetic import make_small_case
from src_training import autoencoders
from src_training.__main__ import main, parse
from src_training.autoencoders import KINDS, train_autoencoders
from src_training.dataset import Slices
from src_training.discrepancies import make_discrepancies
from src_training.prepare import prepare
from src_training.publish import published
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run

from .conftest import tiny_recipe, tiny_words

SYNTHETIC = ("--pretraining.patients", "2", "--pretraining.autoencoder-epochs", "1", "--slices.min-brain-mm2", "1000")
Call = tuple[str, dict[str, Tensor], list[Tensor]]


@pytest.fixture(autouse=True)
def small_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "make_case", partial(make_small_case, shape=(40, 40, 26)))


def recipe_of(cohort: Path, out: Path, *more: str) -> Recipe:
    return tiny_recipe(cohort, out, *SYNTHETIC, *more)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Name, first weights and batches of every training."""
    seen: list[Call] = []
    train: Callable[..., Any] = autoencoders.train

    def remember(folder: Path, model: nn.Module, batches: Any, *rest: Any, **options: Any) -> Any:
        first = {key: value.clone() for key, value in model.state_dict().items()}
        seen.append((str(folder), first, [batches[step][0].clone() for step in range(len(batches))]))
        return train(folder, model, batches, *rest, **options)

    monkeypatch.setattr(autoencoders, "train", remember)
    return seen


def small(run: Run) -> Tensor:
    split = run.split("final")
    slices = Slices.of(split, split.training_cases)
    return resize_for_autoencoders(slices.image(np.arange(len(slices.rows))), 16)


def healthy(run: Run) -> Tensor:
    split = run.split("final")
    return small(run)[~torch.from_numpy(Slices.of(split, split.training_cases).unhealthy)]


def among(images: Tensor, known: Tensor) -> list[bool]:
    return [bool((known == image).flatten(1).all(1).any()) for image in images]


def test_they_start_from_the_synthetic_ones_and_half_of_a_batch_stays_synthetic(
    cohort: Path, tmp_path: Path, calls: list[Call]
) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    prepare(run)
    train_autoencoders(run)
    synthetic = run.synthetic()
    split = synthetic.split("final")
    begun = dict(zip(KINDS, autoencoders.load_ensembles(split, split.training_cases), strict=True))
    own = [call for call in calls if "synthetic" not in call[0]]

    assert len(calls) == len(own) + 2, "of the synthetic patients, one pair alone is needed to start from"
    assert len(own) == 2 * 4
    for name, first, batches in own:
        kind = Path(name).name
        learned = begun[kind].state_dict()
        assert all(torch.equal(first[key], learned[key]) for key in learned), name
        batch = torch.cat(batches)
        is_synthetic = among(batch, (small if kind == "ae_1" else healthy)(synthetic))
        is_real = among(batch, (small if kind == "ae_1" else healthy)(run))
        assert [a != b for a, b in zip(is_synthetic, is_real, strict=True)] == [True] * len(batch)
        assert [sum(among(part, small(synthetic))) for part in batches] == [4] * len(batches)


def test_a_share_of_nothing_starts_from_them_alone(cohort: Path, tmp_path: Path, calls: list[Call]) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run", "--pretraining.share", "0"))
    prepare(run)
    train_autoencoders(run)

    split = run.synthetic().split("final")
    taught = autoencoders.load_ensembles(split, split.training_cases)[0].state_dict()
    assert len(calls) == 2 + 8
    assert not any(any(among(torch.cat(batches), small(run.synthetic()))) for _, _, batches in calls[2:])
    first = next(weights for name, weights, _ in calls[2:] if Path(name).name == "ae_1")
    assert all(torch.equal(first[key], taught[key]) for key in taught)


def test_they_may_learn_from_real_patients_alone(cohort: Path, tmp_path: Path, calls: list[Call]) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run", "--pretraining.no-autoencoders"))
    prepare(run)
    train_autoencoders(run)

    assert not run.synthetic().root.exists()
    assert len(calls) == 8
    assert all(all(among(torch.cat(batches), small(run))) for _, _, batches in calls)
    assert run.maps_fingerprint == Run(tiny_recipe(cohort, tmp_path / "run", *SYNTHETIC[-2:])).maps_fingerprint


@pytest.mark.parametrize(
    "change",
    [
        ("--pretraining.share", "0.25"),
        pytest.param(("--pretraining.autoencoder-epochs", "2"), marks=pytest.mark.torture),
        pytest.param(("--pretraining.no-autoencoders",), marks=pytest.mark.torture),
    ],
)
def test_other_synthetic_lessons_make_other_ensembles_and_maps(
    change: tuple[str, ...], cohort: Path, tmp_path: Path, calls: list[Call]
) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    for stage in (prepare, train_autoencoders, make_discrepancies):
        stage(run)
    before = len(calls)
    train_autoencoders(run)
    assert len(calls) == before
    other = Run(recipe_of(cohort, tmp_path / "run", *change))
    train_autoencoders(other)

    assert len(calls) > before
    with pytest.raises(RecipeError, match=r"maps.*was made with other settings \(synthetic\)"):
        make_discrepancies(other)


def test_an_earlier_run_goes_on_as_it_was_begun(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = tiny_words(cohort, out, *SYNTHETIC, "--pretraining.no-autoencoders")
    assert main(["prepare", *words]) == 0
    kept = json.loads((out / "recipe.json").read_text())
    assert kept["pretraining"].pop("autoencoders") is False
    (out / "recipe.json").write_text(json.dumps(kept))

    assert parse(["--out", str(out)]).pretraining.autoencoders is False
    assert parse(["--out", str(tmp_path / "new")]).pretraining.autoencoders is True


def test_a_published_model_of_an_earlier_run_is_still_its_own(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert main([*tiny_words(cohort, out)]) == 0
    kept = json.loads((out / "recipe.json").read_text())
    del kept["pretraining"]["autoencoders"]
    (out / "recipe.json").write_text(json.dumps(kept))
    bundle = published(Run(parse(["--out", str(out)])).split("final"))

    assert "autoencoders" not in bundle.provenance["recipe"]["pretraining"]


def test_new_ensembles_need_the_synthetic_slices_alone(cohort: Path, tmp_path: Path, calls: list[Call]) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    prepare(run)
    train_autoencoders(run)
    shutil.rmtree(run.synthetic().recipe.data)
    before = len(calls)
    train_autoencoders(Run(recipe_of(cohort, tmp_path / "run", "--autoencoders.epochs", "1")))

    assert len(calls) == before + 8
    assert not run.synthetic().recipe.data.exists()


def test_what_is_refused_is_refused_before_patients_are_made(cohort: Path, tmp_path: Path) -> None:
    run = Run(recipe_of(cohort, tmp_path / "run"))
    prepare(run)
    index = json.loads(run.index_path.read_text())
    for case in index["cases"].values():
        case["unhealthy"] = [True] * len(case["unhealthy"])
    run.index_path.write_text(json.dumps(index))

    with pytest.raises(RecipeError, match="no healthy slice in the training patients"):
        train_autoencoders(run)
    assert not run.synthetic().root.exists()
