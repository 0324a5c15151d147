"""Maps for the denoiser: out of fold, and the very maps that inference makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ddmd.case import load_case
from napari_ddmd.case.normalise import normalise
from napari_ddmd.model.discrepancy import DiscrepancyMaps, discrepancy_maps
from napari_ddmd.model.frame import Frame
from src_training import discrepancies
from src_training.autoencoders import load_ensembles
from src_training.dataset import Slices
from src_training.discrepancies import make_discrepancies
from src_training.recipe import RecipeError
from src_training.run import Run, Split

from .conftest import PATIENTS, tiny_recipe


def maps_of(split: Split, case: str) -> np.ndarray:
    array: np.ndarray = np.load(split.folder / "maps" / f"{case}.npy")
    return array


@pytest.mark.parametrize("name", ["final", "0", "1"])
def test_every_training_patient_has_maps(name: str, tiny_run: Run) -> None:
    split = tiny_run.split(name)

    assert {file.stem for file in (split.folder / "maps").glob("*.npy")} == set(split.training_cases)
    for case in split.training_cases:
        maps = maps_of(split, case)
        assert maps.dtype == np.float16
        assert maps.shape == (len(Slices.of(split, [case]).rows), 2, 16, 16)
        assert (maps >= 0).all()
        assert maps.any(axis=(0, 2, 3)).all()


@pytest.mark.parametrize("name", ["final", "0"])
def test_no_map_comes_from_an_ensemble_that_knew_the_patient(
    name: str, cohort: Path, tiny_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", name))
    (split,) = run.splits()
    (split.folder / "maps" / "summary.json").unlink()
    asked: list[tuple[set[str], set[str]]] = []
    learned: list[set[str]] = []

    def spy(of: Split, cases: list[str]) -> object:
        learned.append(set(cases))
        return load_ensembles(of, cases)

    def spy_slices(of: Split, cases: list[str]) -> Slices:
        asked.append((set(cases), learned[-1]))
        return real_slices(of, cases)

    real_slices = Slices.of
    monkeypatch.setattr(discrepancies, "load_ensembles", spy)
    monkeypatch.setattr(Slices, "of", spy_slices)
    make_discrepancies(run)

    assert sorted(case for cases, _ in asked for case in cases) == sorted(split.training_cases)
    for cases, learned_from in asked:
        (case,) = cases
        same_fold = {other for other, fold in split.folds.items() if fold == split.folds[case]}
        assert not learned_from & (same_fold | set(split.test_cases))


def expected_maps(split: Split, case: str, learned_from: list[str], images: torch.Tensor) -> DiscrepancyMaps:
    ae_1, ae_2 = load_ensembles(split, learned_from)
    return discrepancy_maps(images, ae_1, ae_2, size=split.run.recipe.model.autoencoder.size)


def test_maps_are_those_of_inference(cohort: Path, tiny_run: Run) -> None:
    split, case_name = tiny_run.split("final"), PATIENTS[1]
    case = load_case(cohort / case_name)
    index = json.loads(tiny_run.index_path.read_text())["cases"][case_name]
    images = normalise(case.images, case.brain, lower=0.5, upper=99.5)[:, index["slices"]].swapaxes(0, 1)
    frame = Frame.around(case.brain, case.spacing, tiny_run.recipe.model.frame)
    framed = frame.to_frame(torch.from_numpy(images.copy()))
    found = expected_maps(split, case_name, split.cases_without([index["fold"]]), framed)
    in_sample = expected_maps(split, case_name, split.training_cases, framed)

    # The store keeps images as bytes and maps in half precision.
    for stored, own, other in zip(
        maps_of(split, case_name).swapaxes(0, 1),
        (found.inter.numpy(), found.intra.numpy()),
        (in_sample.inter.numpy(), in_sample.intra.numpy()),
        strict=True,
    ):
        np.testing.assert_allclose(stored, own, atol=1e-4)
        assert np.abs(stored - other).max() > 1e-3


def test_maps_of_the_stored_slices_are_exact(tiny_run: Run) -> None:
    split, case = tiny_run.split("0"), PATIENTS[0]
    slices = Slices.of(split, [case])
    images = slices.image(np.arange(len(slices.rows)))
    found = expected_maps(split, case, split.cases_without([split.folds[case]]), images)

    np.testing.assert_allclose(maps_of(split, case)[:, 0], found.inter.numpy(), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(maps_of(split, case)[:, 1], found.intra.numpy(), rtol=1e-3, atol=1e-6)


def test_scales_are_the_means_over_the_brains(tiny_run: Run) -> None:
    split = tiny_run.split("final")
    scales = json.loads((split.folder / "maps" / "summary.json").read_text())["scales"]
    inside: list[np.ndarray] = []
    for case in split.training_cases:
        slices = Slices.of(split, [case])
        brain = (slices.image(np.arange(len(slices.rows))).amax(dim=1) > 0).numpy()
        inside.append(maps_of(split, case).swapaxes(0, 1)[:, brain].astype(float))
    means = np.concatenate(inside, axis=1).mean(axis=1)

    assert [scales["inter"], scales["intra"]] == pytest.approx(means.tolist(), rel=2e-3)


def test_in_sample_maps_and_plain_scales(cohort: Path, tiny_copy: Path) -> None:
    options = ("--discrepancies.no-out-of-fold", "--discrepancies.no-scale-maps")
    run = Run(tiny_recipe(cohort, tiny_copy, *options))
    split = run.split("final")
    (split.folder / "maps" / "summary.json").unlink()
    make_discrepancies(run)
    slices = Slices.of(split, [PATIENTS[0]])
    images = slices.image(np.arange(len(slices.rows)))
    found = expected_maps(split, PATIENTS[0], split.training_cases, images)

    assert json.loads((split.folder / "maps" / "summary.json").read_text())["scales"] == {"inter": 1.0, "intra": 1.0}
    np.testing.assert_allclose(maps_of(split, PATIENTS[0])[:, 0], found.inter.numpy(), rtol=1e-3, atol=1e-6)


def test_maps_without_spread_keep_a_usable_scale(
    cohort: Path, tiny_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_spread(*arguments: object, **options: object) -> DiscrepancyMaps:
        found: DiscrepancyMaps = discrepancy_maps(*arguments, **options)  # type: ignore[arg-type]
        return replace(found, intra=torch.zeros_like(found.intra))

    run = Run(tiny_recipe(cohort, tiny_copy))
    summary = run.split("final").folder / "maps" / "summary.json"
    summary.unlink()
    monkeypatch.setattr(discrepancies, "discrepancy_maps", without_spread)
    make_discrepancies(run)

    assert json.loads(summary.read_text())["scales"]["intra"] == 1.0


def test_finished_maps_are_left_alone_and_other_settings_refused(
    cohort: Path, tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discrepancies, "load_ensembles", None)  # nothing may be computed
    make_discrepancies(tiny_run)

    with pytest.raises(RecipeError, match=r"summary\.json: was made with other settings \(discrepancies\)"):
        make_discrepancies(Run(tiny_recipe(cohort, tiny_run.root, "--discrepancies.no-out-of-fold")))
