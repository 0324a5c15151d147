"""A trained run becomes a model that loads, tells what it is, and segments."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_ddmd import load_bundle, load_case, segment
from napari_ddmd.case import Case
from napari_ddmd.segment import brain_slices
from src_training.autoencoders import load_ensembles
from src_training.bundle_evaluation import record
from src_training.card import PICTURE, recorded
from src_training.diffusion import load_denoiser, model_settings
from src_training.publish import publish, told_recipe
from src_training.recipe import RecipeError
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe


@pytest.fixture(scope="module")
def case(cohort: Path) -> Case:
    return load_case(cohort / PATIENTS[0])


@pytest.mark.parametrize("name", ["final", "fold0"])
def test_the_bundle_loads_and_segments(name: str, tiny_out: Path, case: Case) -> None:
    bundle = load_bundle(tiny_out / name / "bundle")
    results = list(segment(case, bundle, device="cpu", seed=1))

    assert [result.index for result in results] == brain_slices(case)
    for result in results:
        assert result.samples.shape == (2, *case.images.shape[2:])
        assert np.isfinite(result.probability).all()
        assert result.inter is not None
        assert result.intra is not None
    assert any(result.probability.any() for result in results)


def test_the_bundle_has_the_networks_of_its_split(tiny_out: Path, tiny_run: Run) -> None:
    split = tiny_run.split("final")
    bundle = load_bundle(tiny_out / "final" / "bundle")
    ae_1, ae_2 = load_ensembles(split, split.training_cases)

    for published, trained in (
        (bundle.networks.ae_1, ae_1),
        (bundle.networks.ae_2, ae_2),
        (bundle.networks.denoiser, load_denoiser(split)),
    ):
        for own, other in zip(published.state_dict().values(), trained.state_dict().values(), strict=True):
            assert torch.equal(own, other.half().float() if other.is_floating_point() else other)
    assert bundle.settings == model_settings(split)


def test_provenance_tells_who_was_seen(tiny_out: Path, tiny_run: Run) -> None:
    final, fold = (load_bundle(tiny_out / name / "bundle").provenance for name in ("final", "fold0"))

    assert sorted(final["training_cases"]) == sorted(PATIENTS)
    assert final["held_out_cases"] == []
    assert sorted(fold["held_out_cases"]) == [PATIENTS[2], PATIENTS[3]]
    assert fold["split"] == "fold0"
    assert final["recipe"]["diffusion"]["iterations"] == 6
    assert final["cross_validation"]["ddmd"]["dice_volume"]["per_patient"].keys() == set(PATIENTS)


def test_figures_of_another_recipe_are_not_quoted(tiny_copy: Path, cohort: Path) -> None:
    path = tiny_copy / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["made_with"]["training"]["denoiser"]["diffusion"]["iterations"] += 1
    path.write_text(json.dumps(metrics))
    (folder,) = publish(Run(tiny_recipe(cohort, tiny_copy, "--fold", "final")))

    assert load_bundle(folder).provenance["cross_validation"] == {}
    assert "has not been evaluated" in (folder / "README.md").read_text()


def test_figures_of_another_sampling_are_not_quoted(tiny_copy: Path, cohort: Path) -> None:
    words = ("--fold", "0", "--model.sampling.steps", "3")
    (folder,) = publish(Run(tiny_recipe(cohort, tiny_copy, *words)))
    provenance = load_bundle(folder).provenance
    assert provenance["cross_validation"] == {}
    assert provenance["evaluations"] == []

    (folder,) = publish(Run(tiny_recipe(cohort, tiny_copy, "--fold", "0")))
    provenance = load_bundle(folder).provenance
    assert len(provenance["cross_validation"]["ddmd"]["dice_volume"]["per_patient"]) == len(PATIENTS)
    assert [patient["case"] for patient in provenance["evaluations"][0]["patients"]] == [PATIENTS[2], PATIENTS[3]]


def test_a_bundle_names_no_place_on_this_computer(tiny_out: Path, cohort: Path) -> None:
    text = (tiny_out / "final" / "bundle" / "model.json").read_text()

    assert str(cohort) not in text
    assert str(tiny_out) not in text


@pytest.mark.fault("Privacy")
def test_no_setting_names_a_place_on_this_computer(tiny_run: Run) -> None:
    home = Path("Jane").absolute()
    recipe = replace(tiny_run.recipe, data=home, out=home / "run", bundle=home / "model")
    recipe = replace(recipe, slices=replace(recipe.slices, fold_file=home / "folds.json"))
    recipe = replace(recipe, pretraining=replace(recipe.pretraining, anatomy=home / "brains"))
    assert "Jane" in json.dumps(recipe.to_dict())
    assert "Jane" not in json.dumps(told_recipe(recipe))
    assert told_recipe(recipe)["pretraining"]["anatomy"] is True
    assert "anatomy" not in told_recipe(tiny_run.recipe)["pretraining"]


def test_publishing_again_gives_the_same_model(tiny_copy: Path, cohort: Path) -> None:
    before = load_bundle(tiny_copy / "final" / "bundle").sha256
    folders = publish(Run(tiny_recipe(cohort, tiny_copy, "--fold", "final", "--name", "mine", "--version", "2")))
    bundle = load_bundle(folders[0])

    assert folders == [tiny_copy / "final" / "bundle"]
    assert (bundle.name, bundle.version, bundle.sha256) == ("mine", "2", before)


def test_settings_that_were_not_trained_are_not_published(tiny_out: Path, cohort: Path) -> None:
    with pytest.raises(RecipeError, match="was made with other settings"):
        publish(Run(tiny_recipe(cohort, tiny_out, "--fold", "final", "--model.diffusion.prediction", "v")))


def test_recorded_figures_outlast_another_publishing_of_the_same_model(tiny_copy: Path, cohort: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0"))
    folder = tiny_copy / "fold0" / "bundle"
    (own,) = load_bundle(folder).provenance["evaluations"]
    strangers = [patient | {"case": f"Stranger_{number}"} for number, patient in enumerate(own["patients"])]
    picture = tiny_copy / "worst.png"
    picture.write_bytes(b"a picture")

    record(load_bundle(folder), folder, strangers, 0, picture)
    publish(run)
    assert load_bundle(folder).provenance["evaluations"] == [own, recorded(strangers, 0) | {"failures": PICTURE}]
    page = (folder / "README.md").read_text()
    assert "| Stranger_0 |" in page
    assert f"]({PICTURE})" in page
    assert (folder / PICTURE).read_bytes() == b"a picture"

    record(load_bundle(folder), folder, own["patients"], 0, picture)  # the split's own patients
    publish(run)
    publish(run)
    assert load_bundle(folder).provenance["evaluations"] == [own | {"failures": PICTURE}, recorded(strangers, 0)]

    publish(Run(tiny_recipe(cohort, tiny_copy, "--fold", "0", "--model.sampling.steps", "3")))
    assert load_bundle(folder).provenance["evaluations"] == [], "they were made in another way"
    assert not (folder / PICTURE).exists()


def test_figures_of_other_weights_make_way(tiny_copy: Path, cohort: Path) -> None:
    folder = tiny_copy / "final" / "bundle"
    shutil.rmtree(folder)
    shutil.copytree(tiny_copy / "fold0" / "bundle", folder)
    assert load_bundle(folder).provenance["evaluations"]
    publish(Run(tiny_recipe(cohort, tiny_copy, "--fold", "final")))

    assert load_bundle(folder).provenance["evaluations"] == []


def test_no_patient_is_told_of_twice_nor_the_split_s_own_without_their_figures(tiny_copy: Path, cohort: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, "--fold", "0"))
    folder = tiny_copy / "fold0" / "bundle"
    (own,) = load_bundle(folder).provenance["evaluations"]
    stranger = own["patients"][0] | {"case": "Stranger"}

    record(load_bundle(folder), folder, [*own["patients"], stranger], 0)
    publish(run)
    assert load_bundle(folder).provenance["evaluations"] == [own, recorded([stranger], 0)]

    shutil.rmtree(tiny_copy / "fold0" / "evaluation")
    publish(run)
    assert load_bundle(folder).provenance["evaluations"] == [recorded([stranger], 0)]
