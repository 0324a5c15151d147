"""Denoisers that take turns: trained apart, by one command, and published together."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from napari_ddmd import load_bundle
from napari_ddmd.synthetic import case as room
from napari_ddmd.synthetic import make_small_case
from src_training import diffusion
from src_training.__main__ import main
from src_training.baselines.training import load_cimd_denoiser
from src_training.card import model_card
from src_training.diffusion import has_denoisers, load_denoiser, load_denoisers, train_diffusion
from src_training.evaluate import evaluate
from src_training.figures.trained import trained_systems
from src_training.publish import publish, published
from src_training.recipe import RecipeError, preset
from src_training.run import Run
from src_training.systems import how, train_system
from src_training.table import budget

from .conftest import tiny_recipe, tiny_words

TWO = ("--model.denoiser.members", "2")


def test_a_further_denoiser_is_trained_apart_and_the_first_one_stays(cohort: Path, tiny_copy: Path) -> None:
    first = tiny_copy / "final" / "diffusion" / "denoiser.safetensors"
    before = first.read_bytes(), first.stat().st_mtime_ns
    run = Run(tiny_recipe(cohort, tiny_copy, *TWO, "--fold", "final"))
    split = run.split("final")
    assert not has_denoisers(split)
    with pytest.raises(RecipeError, match="final: has no trained denoiser 2; run the stage 'diffusion' first"):
        load_denoisers(split)

    train_diffusion(run)
    assert has_denoisers(split)
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    one, two = (load_file(tiny_copy / "final" / name / first.name) for name in ("diffusion", "diffusion-2"))
    assert one.keys() == two.keys()
    assert not any(torch.equal(one[key], two[key]) for key in one if one[key].std() > 0)

    publish(run)
    bundle = load_bundle(tiny_copy / "final" / "bundle")
    for network, weights in zip(bundle.networks.denoisers, (one, two), strict=True):
        assert all(torch.equal(value, weights[key].half().float()) for key, value in network.state_dict().items())
    assert "2 denoisers, trained apart, take turns in drawing the masks. " in bundle.card
    card = (tiny_copy / "final" / "bundle" / "README.md").read_text()
    assert "- 2 denoisers, trained apart and taking turns in drawing the masks, each at 16 pixels" in card


def test_a_model_is_not_taken_for_that_of_another_number_of_denoisers(cohort: Path, tiny_copy: Path) -> None:
    one, two = (Run(tiny_recipe(cohort, tiny_copy, *more, "--fold", "final")) for more in ((), TWO))
    alone = published(one.split("final")).sha256
    train_diffusion(two)
    with pytest.raises(RecipeError, match="was published with other settings"):
        published(two.split("final"))
    publish(two)
    both = published(two.split("final"))
    assert len(both.networks.denoisers) == 2
    assert both.sha256 != alone
    with pytest.raises(RecipeError, match="was published with other settings"):
        published(one.split("final"))
    publish(one)
    assert published(one.split("final")).sha256 == alone
    assert "take turns" not in (tiny_copy / "final" / "bundle" / "README.md").read_text()


def test_a_model_stays_where_a_further_denoiser_is_not_trained(cohort: Path, tiny_copy: Path) -> None:
    one, two = (Run(tiny_recipe(cohort, tiny_copy, *more, "--fold", "final")) for more in ((), TWO))
    with pytest.raises(RecipeError, match="has no trained denoiser 2; run the stage 'diffusion' first"):
        publish(two)
    assert len(published(one.split("final")).networks.denoisers) == 1


def test_figures_of_one_denoiser_are_not_those_of_two(cohort: Path, tiny_copy: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, *TWO, "--fold", "0"))
    before = load_bundle(tiny_copy / "fold0" / "bundle").provenance
    train_diffusion(run)
    publish(run)
    provenance = published(run.split("0")).provenance
    assert before["cross_validation"]
    assert before["evaluations"]
    assert provenance["cross_validation"] == {}
    assert provenance["evaluations"] == []
    evaluate(run)
    (entry,) = published(run.split("0")).provenance["evaluations"]
    assert [patient["case"] for patient in entry["patients"]] == run.split("0").test_cases


@pytest.mark.parametrize(
    ("system", "count"), [("cimd", 1), ("ddmd-mini", 2), pytest.param("ddmd-light", 2, marks=pytest.mark.torture)]
)
def test_of_the_systems_beside_it_the_variants_take_turns_too(
    system: str, count: int, cohort: Path, tiny_copy: Path
) -> None:
    run = Run(tiny_recipe(cohort, tiny_copy, *TWO, "--fold", "0")).for_system(system)
    split = run.split("0")
    train_system(run)
    evaluate(run)
    bundle = published(split)
    assert bundle.settings.denoiser.members == len(bundle.networks.denoisers) == count
    trained = [load_cimd_denoiser(split)] if system == "cimd" else load_denoisers(split)
    for network, own in zip(bundle.networks.denoisers, trained, strict=True):
        assert all(
            torch.equal(network.state_dict()[key], own.state_dict()[key].half().float()) for key in own.state_dict()
        )
    assert ("2 denoisers, trained apart" in bundle.card) == (count == 2)
    assert bundle.provenance["evaluations"]
    assert trained_systems(split, (system,)) == (system,)
    metrics = json.loads((tiny_copy / "metrics.json").read_text())
    assert set(metrics["systems"][system]["dice_volume"]["per_patient"]) == set(split.test_cases)


def test_the_paper_has_one_denoiser() -> None:
    assert preset("paper").model.denoiser.members == 1


def test_cimd_is_the_same_whatever_takes_turns_beside_it(cohort: Path, tiny_copy: Path) -> None:
    one, two = (Run(tiny_recipe(cohort, tiny_copy, *more, "--fold", "0")).for_system("cimd") for more in ((), TWO))
    train_system(one)
    publish(one)
    train_system(two)
    assert published(two.split("0")).sha256 == published(one.split("0")).sha256
    assert how(two) == how(one)


def test_what_a_variant_lacks_is_made_up_for_as_the_message_says(cohort: Path, tiny_copy: Path) -> None:
    train_system(Run(tiny_recipe(cohort, tiny_copy, "--fold", "0")).for_system("ddmd-mini"))
    run = Run(tiny_recipe(cohort, tiny_copy, *TWO, "--fold", "0")).for_system("ddmd-mini")
    with pytest.raises(RecipeError, match="ddmd-mini: has no trained denoiser 2; run 'baseline ddmd-mini' first"):
        load_denoisers(run.split("0"))
    assert main(["baseline", "ddmd-mini", *tiny_words(cohort, tiny_copy, *TWO, "--fold", "0")]) == 0
    assert len(load_denoisers(run.split("0"))) == 2


def test_the_card_says_that_each_denoiser_was_pre_trained(tiny_out: Path) -> None:
    bundle = load_bundle(tiny_out / "final" / "bundle")
    settings, recipe = bundle.settings, bundle.provenance["recipe"]
    pretraining = recipe["pretraining"] | {"patients": 80, "iterations": 3000, "share": 0.25}
    provenance = bundle.provenance | {"recipe": recipe | {"pretraining": pretraining}}
    two = replace(settings, denoiser=replace(settings.denoiser, members=2))
    card = model_card(replace(bundle, settings=two, provenance=provenance))
    assert "pre-training: 3000 iterations of each denoiser on 80 synthetic patients" in card


def test_the_first_of_two_is_the_one_that_is_trained_alone(
    cohort: Path, tiny_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []
    monkeypatch.setattr(diffusion, "train", lambda *_, seed, **__: seeds.append(seed))
    monkeypatch.setattr(diffusion, "keep_weights", lambda *_: None)
    for name in ("diffusion", "diffusion-2"):
        (tiny_copy / "final" / name / "denoiser.safetensors").unlink(missing_ok=True)
    for more in ((), TWO):
        train_diffusion(Run(tiny_recipe(cohort, tiny_copy, *more, "--fold", "final")))
    assert seeds == [0, 0, 1000]


def test_figures_of_one_and_of_two_are_not_joined(cohort: Path, tiny_out: Path) -> None:
    one, two = (how(Run(tiny_recipe(cohort, tiny_out, *more))) for more in ((), TWO))
    assert one["training"]["denoiser"] == two["training"]["denoiser"]
    assert one != two


def test_the_table_counts_both_trainings(cohort: Path, tiny_copy: Path) -> None:
    one, two = (Run(tiny_recipe(cohort, tiny_copy, *more, "--fold", "final")) for more in ((), TWO))
    alone = budget(one)
    assert budget(two)["minutes"] == [], "not both have been trained on any fold"
    train_diffusion(Run(tiny_recipe(cohort, tiny_copy, *TWO, "--fold", "cv")))
    both = budget(two)
    assert both["parameters"] == 2 * alone["parameters"]
    assert both["iterations"] == 2 * alone["iterations"]
    assert all(more > less for more, less in zip(both["minutes"], alone["minutes"], strict=True))


def test_each_starts_from_a_pretraining_of_its_own(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "make_case", partial(make_small_case, shape=(40, 40, 26)))
    settings = ("--pretraining.patients", "2", "--pretraining.iterations", "3", "--pretraining.autoencoder-epochs", "1")
    words = tiny_words(cohort, tmp_path / "run", "--slices.min-brain-mm2", "1000", *settings, *TWO)
    for stage in ("prepare", "pretrain", "autoencoders", "discrepancies"):
        assert main([stage, *words]) == 0
    run = Run(tiny_recipe(cohort, tmp_path / "run", *words[4:], "--fold", "final"))
    synthetic = run.synthetic().split("final")
    begun = []

    def remember(_folder: Path, model: torch.nn.Module, *_: object, **__: object) -> None:
        begun.append({key: value.clone() for key, value in model.state_dict().items()})

    monkeypatch.setattr(diffusion, "train", remember)
    train_diffusion(run)
    assert len(begun) == 2
    for member, weights in enumerate(begun):
        taught = load_denoiser(synthetic, member).state_dict()
        assert all(torch.equal(weights[key], taught[key]) for key in taught)
    stem = "unet.conv_in.weight"
    assert not torch.equal(begun[0][stem], begun[1][stem])


def test_a_dry_run_counts_every_denoiser(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tiny_words(cohort, tmp_path / "run", *TWO), "--dry-run"]) == 0
    page = capsys.readouterr().out
    assert "6 iterations of 4 slices for each of 2 denoisers" in page
    assert "M parameters each, 2 take turns" in page
