"""Denoisers of several runs in one bundle: each keeps what it learned, and what does not fit is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_ddmd import load_bundle, load_case, segment
from napari_ddmd.case import MODALITIES
from napari_ddmd.model.denoiser import Denoiser
from src_training.card import model_card
from src_training.diffusion import load_denoiser, train_diffusion
from src_training.evaluate import evaluate
from src_training.partners import joined_denoisers, joined_fingerprint, partner_runs, with_mirror_input
from src_training.publish import publish
from src_training.recipe import RecipeError
from src_training.run import Run
from src_training.saved import kept_recipe, read_recipe

from .conftest import PATIENTS, succeed, tiny_recipe, tiny_words

NO_MIRROR = ("--model.context.no-mirrored", "--diffusion.iterations", "3")


def begun_again(cohort: Path, tiny_out: Path, out: Path, *options: str) -> Path:
    """Another run on the same slices, maps and autoencoders, whose denoisers are not trained yet."""
    shutil.copytree(tiny_out, out, ignore=shutil.ignore_patterns("diffusion", "bundle", "evaluation", "metrics*"))
    recipe = tiny_recipe(cohort, out, "--fold", "cv", *options)
    with kept_recipe(recipe):
        return out


@pytest.fixture(scope="module")
def partner(cohort: Path, tiny_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without the mirror image, trained for the final model and fold 0. Not to be changed."""
    out = begun_again(cohort, tiny_out, tmp_path_factory.mktemp("partners") / "partner", *NO_MIRROR)
    for fold in ("final", "0"):
        train_diffusion(Run(replace(read_recipe(out, tiny_recipe(cohort, out)), fold=fold)))
    return out


def joined(cohort: Path, out: Path, partner: Path, *more: str) -> Run:
    return Run(tiny_recipe(cohort, out, "--partners", str(partner), *more))


def test_a_denoiser_that_was_not_shown_the_mirror_image_is_deaf_to_it(partner: Path, cohort: Path) -> None:
    run = Run(read_recipe(partner, tiny_recipe(cohort, partner)))
    alone, settings = load_denoiser(run.split("final")), run.recipe.model
    shown = replace(settings, context=replace(settings.context, mirrored=True))
    wide = Denoiser(shown).eval()
    wide.load_state_dict(with_mirror_input(alone.state_dict(), settings))

    generator = torch.Generator().manual_seed(0)
    x_t, t = torch.randn(2, 1, 16, 16, generator=generator), torch.tensor([900, 10])
    own = torch.randn(2, 3 * len(MODALITIES) + 2, 16, 16, generator=generator)
    mirror = torch.randn(2, len(MODALITIES), 16, 16, generator=generator)
    images, maps = own[:, :-2], own[:, -2:]
    torch.testing.assert_close(
        wide(x_t, t, torch.cat([images, mirror, maps], dim=1))[0], alone(x_t, t, own)[0], rtol=1e-4, atol=1e-5
    )


def test_masks_are_drawn_in_turns(tiny_copy: Path, partner: Path, cohort: Path, tmp_path: Path) -> None:
    case = load_case(cohort / PATIENTS[0])
    alone = load_bundle(tiny_copy / "final" / "bundle")
    theirs = shutil.copytree(partner, tmp_path / "theirs")
    publish(Run(replace(read_recipe(theirs, tiny_recipe(cohort, theirs)), out=theirs, fold="final")))
    publish(joined(cohort, tiny_copy, partner))
    both = load_bundle(tiny_copy / "final" / "bundle")

    assert len(both.networks.denoisers) == 2
    assert both.settings.context.mirrored
    drawn = [
        np.stack([result.samples for result in segment(case, bundle, samples=4, device="cpu", seed=1)])
        for bundle in (alone, load_bundle(theirs / "final" / "bundle"), both)
    ]
    for number in range(4):
        np.testing.assert_allclose(drawn[2][:, number], drawn[number % 2][:, number], atol=1e-2)
    assert np.abs(drawn[0] - drawn[1]).max() > 0.05


def test_provenance_and_card_own_up_to_the_partners(tiny_copy: Path, partner: Path, cohort: Path) -> None:
    run = joined(cohort, tiny_copy, partner)
    publish(run)
    bundle = load_bundle(tiny_copy / "final" / "bundle")

    (described,) = bundle.provenance["partners"]
    assert described["diffusion"]["iterations"] == 3
    assert described["context"]["mirrored"] is False
    assert bundle.provenance["recipe"]["context"]["mirrored"] is True
    assert "2 denoisers, trained apart, take turns" in bundle.card
    page = model_card(bundle)
    assert "  1. 6 iterations of 4 slices, 2 neighbouring slices, 3 mm apart and the slice mirrored shown" in page
    assert "  2. 3 iterations of 4 slices, 2 neighbouring slices, 3 mm apart shown" in page
    assert bundle.provenance["cross_validation"] == {}, "the figures are those of the denoiser alone"


def test_patients_are_judged_again_with_the_partners(tiny_copy: Path, partner: Path, cohort: Path) -> None:
    run = joined(cohort, tiny_copy, partner, "--fold", "0")
    path = tiny_copy / "fold0" / "evaluation" / f"{run.split('0').test_cases[0]}.json"
    before = json.loads(path.read_text())
    evaluate(run)
    after = json.loads(path.read_text())

    assert after["made_with"]["training"]["partners"] == [
        json.loads(json.dumps(joined_fingerprint(Run(read_recipe(partner, run.recipe)))))["denoiser"]
    ]
    assert "partners" not in before["made_with"]["training"]
    assert after["made_with"]["sha256"] != before["made_with"]["sha256"]
    (figures,) = json.loads((tiny_copy / "metrics.json").read_text())["systems"].values()
    assert set(figures["dice_volume"]["per_patient"]) == set(run.split("0").test_cases)


def test_the_run_remembers_its_partners(tiny_copy: Path, partner: Path, cohort: Path) -> None:
    succeed(["publish", *tiny_words(cohort, tiny_copy, "--partners", str(partner))])
    assert read_recipe(tiny_copy, tiny_recipe(cohort, tiny_copy)).partners == (partner,)
    succeed(["publish", "--out", str(tiny_copy)])
    assert len(load_bundle(tiny_copy / "final" / "bundle").networks.denoisers) == 2


def test_other_systems_have_no_partners(tiny_copy: Path, partner: Path, cohort: Path) -> None:
    run = joined(cohort, tiny_copy, partner)
    assert [found.root for found in partner_runs(run)] == [partner]
    assert partner_runs(run.for_system("ddmd-mini")) == []
    assert run.synthetic().recipe.partners == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seed", "1"), "differs in autoencoders or maps; leave it out"),
        (("--model.denoiser.channels", "16", "16"), "differs in networks"),
        (("--model.variant", "mini"), "differs in networks"),
        (("--model.context.slices", "0"), "differs in slices"),
    ],
)
def test_what_does_not_fit_is_refused(
    options: tuple[str, ...], message: str, tiny_copy: Path, tiny_out: Path, cohort: Path, tmp_path: Path
) -> None:
    other = begun_again(cohort, tiny_out, tmp_path / "other", *options)
    if "--model.context.slices" in options:
        index = other / "slices" / "index.json"
        made: dict[str, Any] = json.loads(index.read_text())
        made["fingerprint"]["context"]["slices"] = 0
        index.write_text(json.dumps(made))
    with pytest.raises(RecipeError, match=message) as caught:
        partner_runs(joined(cohort, tiny_copy, other))
    assert str(other) in str(caught.value)


def test_other_folds_are_refused(tiny_copy: Path, partner: Path, cohort: Path, tmp_path: Path) -> None:
    other = shutil.copytree(partner, tmp_path / "other")
    index = other / "slices" / "index.json"
    made: dict[str, Any] = json.loads(index.read_text())
    for entry in made["cases"].values():
        entry["fold"] = (entry["fold"] + 1) % 3
    index.write_text(json.dumps(made))
    with pytest.raises(RecipeError, match="differs in patients or folds"):
        partner_runs(joined(cohort, tiny_copy, other))


def test_maps_of_another_scale_are_refused(tiny_copy: Path, partner: Path, cohort: Path, tmp_path: Path) -> None:
    other = shutil.copytree(partner, tmp_path / "other")
    summary = other / "final" / "maps" / "summary.json"
    made: dict[str, Any] = json.loads(summary.read_text())
    made["scales"]["intra"] *= 1.1
    summary.write_text(json.dumps(made))
    with pytest.raises(RecipeError, match="another scale"):
        joined_denoisers(joined(cohort, tiny_copy, other).split("final"))


def test_a_partner_that_is_not_trained_is_named(tiny_copy: Path, partner: Path, cohort: Path) -> None:
    with pytest.raises(RecipeError, match="has no trained denoiser") as caught:
        joined_denoisers(joined(cohort, tiny_copy, partner).split("1"))
    assert str(partner) in str(caught.value)
