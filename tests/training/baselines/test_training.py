"""The systems beside DDMD in training: their batches, where they start from, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from src_training import synthetic_patients
from src_training.baselines import training
from src_training.baselines.training import (
    NETWORKS,
    EpochBatches,
    check_network,
    fingerprint,
    load_baseline,
    load_cimd_denoiser,
    train_baseline,
)
from src_training.diffusion import ConditionedBatches
from src_training.prepare import prepare
from src_training.recipe import DDMD_VARIANTS, SYSTEMS, RecipeError
from src_training.run import Run, Split

from ..conftest import tiny_recipe, write_patient

SYNTHETIC = ("--pretraining.patients", "2", "--pretraining.iterations", "3")


def of_baselines(split: Split, **settings: Any) -> Split:
    recipe = split.run.recipe
    return replace(
        split, run=replace(split.run, recipe=replace(recipe, baselines=replace(recipe.baselines, **settings)))
    )


def test_every_system_but_the_variants_is_trained_here() -> None:
    assert set(NETWORKS) == set(SYSTEMS) - set(DDMD_VARIANTS)


def test_an_epoch_passes_through_all_slices(tiny_run: Run) -> None:
    split = of_baselines(tiny_run.split("final"), batch_size=4, epochs=3)
    batches = EpochBatches(split)
    count = len(batches.slices.rows)
    images, maps, masks = batches[0]

    assert len(batches) == 3 * (count // 4)
    assert (images.shape, maps.shape, masks.shape) == ((4, 4, 16, 16), (4, 0, 16, 16), (4, 1, 16, 16))
    everything = batches.slices.image(np.arange(count))
    seen = [
        int((everything - image).abs().flatten(1).amax(1).argmin())
        for step in range(count // 4)
        for image in batches[step][0]
    ]
    assert len(set(seen)) == len(seen) == 4 * (count // 4)
    assert all(torch.equal(one, other) for one, other in zip(batches[5], batches[5], strict=True))


def test_iterations_take_the_place_of_epochs(tiny_run: Run) -> None:
    split = tiny_run.split("final")

    assert len(EpochBatches(of_baselines(split, iterations=7, epochs=3))) == 7
    few = EpochBatches(of_baselines(split, batch_size=10_000, epochs=3))
    assert len(few) == 3
    assert len(few[0][0]) == len(few.slices.rows)


@pytest.mark.parametrize("name", ["cimd", "unet-tuned"])
def test_networks_trained_as_the_denoiser_meet_its_slices(name: str, tiny_run: Run) -> None:
    split = tiny_run.for_system(name).split("final")
    task, batches, settings = training._lesson(split)
    wanted = ConditionedBatches(tiny_run.split("final"))[3]
    images, maps, masks = batches[3]

    assert torch.equal(images, wanted[0])
    assert torch.equal(masks, wanted[2])
    assert maps.shape == (4, 0, 16, 16)
    assert (settings.steps, settings.ema_decay) == (6, tiny_run.recipe.diffusion.ema_decay)
    drawn = task.draw((images, maps, masks), torch.Generator().manual_seed(0))
    assert torch.isfinite(task.loss(NETWORKS[name](tiny_run.recipe), drawn)["loss"])


@pytest.mark.parametrize("name", ["cimd", "unet-tuned"])
def test_they_start_from_what_synthetic_patients_taught_them(
    name: str, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        synthetic_patients,
        "_make_patient",
        lambda folder, made: write_patient(folder / f"Synthetic_{made[0]:06d}", made[0]),
    )
    run = Run(tiny_recipe(cohort, tmp_path / "run", *SYNTHETIC, "--fold", "cv")).for_system(name)
    prepare(run)
    begun: list[tuple[str, dict[str, torch.Tensor]]] = []
    train = training.train

    def remember(folder: Path, network: nn.Module, *arguments: Any, name: str, **options: Any) -> nn.Module:
        begun.append((name, {key: value.clone() for key, value in network.state_dict().items()}))
        return train(folder, network, *arguments, name=name, **options)

    monkeypatch.setattr(training, "train", remember)
    train_baseline(run)
    taught = load_baseline(run.synthetic().split("final")).state_dict()

    assert [title for title, _ in begun] == [f"{name} final", *(f"{name} fold{number}" for number in range(3))]
    assert any(not torch.equal(begun[0][1][key], taught[key]) for key in taught)
    for _, weights in begun[1:]:
        assert all(torch.equal(weights[key], taught[key]) for key in taught)


@pytest.fixture(scope="module")
def tuned(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose tuned U-Net was trained on one fold. Not to be changed."""
    recipe = tiny_recipe(cohort, tmp_path_factory.mktemp("runs") / "tuned", "--fold", "0")
    prepare(Run(recipe))
    run = Run(recipe).for_system("unet-tuned")
    train_baseline(run)
    return run


def test_a_trained_network_comes_back_for_use(tuned: Run) -> None:
    network = load_baseline(tuned.splits()[0])

    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network(torch.rand(2, 12, 16, 16)).shape == (2, 1, 16, 16)


def test_what_is_trained_is_kept(tuned: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "train", None)  # nothing may be trained
    train_baseline(tuned)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--diffusion.learning-rate", "0.5"), "diffusion"),
        (("--model.denoiser.channels", "16", "16"), "denoiser"),
        (("--seed", "1"), "seed"),
    ],
)
def test_other_settings_are_refused(option: tuple[str, ...], told: str, tuned: Run, cohort: Path) -> None:
    run = Run(tiny_recipe(cohort, tuned.root, "--fold", "0", *option)).for_system("unet-tuned")
    refusal = rf"training/recipe\.json: was made with other settings \({told}\); [^\n]*$"

    with pytest.raises(RecipeError, match=refusal):
        train_baseline(run)
    with pytest.raises(RecipeError, match=refusal):
        load_baseline(run.splits()[0])


def test_a_network_that_has_seen_a_patient_does_not_judge_it(tuned: Run) -> None:
    (split,) = tuned.splits()
    held_out, seen = split.test_cases[0], split.training_cases[0]
    moved = replace(split, folds=split.folds | {held_out: split.folds[seen], seen: 0})
    with pytest.raises(
        RecipeError, match=r"training/recipe\.json: was made from other cases than fold0 learns from now"
    ):
        load_baseline(moved)


def test_what_was_trained_is_known_whatever_the_batches_of_now(tuned: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tuned.for_system("unet")
    before = fingerprint(run)
    monkeypatch.setattr("src_training.checks.world_size", lambda: 3)
    assert fingerprint(run) == before
    with pytest.raises(RecipeError, match=r"baselines\.batch-size must be a multiple of 3"):
        check_network(run.recipe, "unet")


def test_what_was_not_trained_is_named(tuned: Run) -> None:
    with pytest.raises(RecipeError, match=r"systems/segnet.*no trained network; run 'baseline segnet' first$"):
        load_baseline(replace(tuned.splits()[0], run=replace(tuned, system="segnet", recipe=square(tuned, 32))))
    with pytest.raises(RecipeError, match="'ddmd' is no baseline; choose one of unet"):
        load_baseline(replace(tuned.splits()[0], run=replace(tuned, system="ddmd")))
    with pytest.raises(TypeError, match="unet-tuned has no denoiser"):
        load_cimd_denoiser(tuned.splits()[0])


@pytest.mark.parametrize(("name", "multiple"), [("unet", 32), ("segnet", 32), ("deeplabv3plus", 16)])
def test_a_window_that_cannot_be_halved_is_refused(name: str, multiple: int, tuned: Run) -> None:
    run = tuned.for_system(name)
    odd = replace(run, recipe=square(tuned, multiple + 8))

    with pytest.raises(RecipeError, match=f"model.frame.size must be a multiple of {multiple} for {name}, not"):
        check_network(odd.recipe, name)
    fitting = square(tuned, multiple)
    assert fingerprint(replace(run, recipe=fitting))["frame"]["size"] == multiple
    images = torch.rand(2, 4, multiple, multiple)
    with torch.no_grad():
        assert NETWORKS[name](fitting)(images).shape == (2, 2, multiple, multiple)


def square(run: Run, size: int) -> Any:
    """The recipe with a window of another side."""
    recipe = run.recipe
    return replace(recipe, model=replace(recipe.model, frame=replace(recipe.model.frame, size=size)))
