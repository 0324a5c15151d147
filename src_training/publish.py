"""Stage ``publish``: a trained split as a bundle that the plugin can load."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_ddmd.model.bundle import (
    Bundle,
    BundleError,
    DdmdNetworks,
    new_bundle,
    read_bundle,
    read_description,
    save_bundle,
)
from napari_ddmd.model.settings import ModelSettings
from src_training import distributed
from src_training.autoencoders import load_ensembles, train_sets
from src_training.card import PICTURE, model_card, recorded, summary_line
from src_training.diffusion import load_denoisers, model_settings
from src_training.files import read_json, write_bytes
from src_training.fingerprints import are_same
from src_training.folds import told_lesions
from src_training.recipe import SYNTHETIC_NAME, Recipe, RecipeError, meets_synthetic, own_system
from src_training.run import Run, Split
from src_training.start import start_of, told_start
from src_training.systems import how


def publish(run: Run) -> list[Path]:
    """Write ``<split>/bundle/`` of every split that the run asks for."""
    return [publish_split(split) for split in run.splits()]


def publish_split(split: Split, *, synthetic: dict[str, Any] | None = None) -> Path:
    """Write the bundle of one split, with its model card; figures that were recorded of the same model stay in it.

    Parameters
    ----------
    split
        The split.
    synthetic
        What is told of patients who are all synthetic.
    """
    bundle = make_bundle(split, synthetic=synthetic)
    folder = split.work / "bundle"
    if distributed.is_main():
        evaluations = _with_recorded(folder, bundle, split.test_cases)
        bundle = replace(bundle, provenance=bundle.provenance | {"evaluations": evaluations})
        save_bundle(folder, bundle)
        write_bytes(folder / "README.md", model_card(bundle).encode())
        if not any("failures" in entry for entry in evaluations):
            (folder / PICTURE).unlink(missing_ok=True)
    distributed.barrier()
    return folder


def _with_recorded(folder: Path, bundle: Bundle, held_out: Collection[str]) -> list[dict[str, Any]]:
    """The split's own figures, and those of other patients that ``evaluate --bundle --record`` put into the model.

    A picture of where the model fails stays with the figures of the patients that it is of.
    """
    own: list[dict[str, Any]] = bundle.provenance["evaluations"]
    try:
        before = read_description(folder)
    except BundleError:  # there is none yet, or it was cut off
        return own
    if (before["weights_sha256"], ModelSettings.from_dict(before["settings"])) != (bundle.sha256, bundle.settings):
        return own
    recorded_before: list[dict[str, Any]] = before["provenance"].get("evaluations", [])
    pictures = {_cases(entry): entry["failures"] for entry in recorded_before if "failures" in entry}
    own = [entry | ({"failures": pictures[_cases(entry)]} if _cases(entry) in pictures else {}) for entry in own]
    others = (
        entry | {"patients": [patient for patient in entry["patients"] if patient["case"] not in held_out]}
        for entry in recorded_before
    )
    return own + [entry for entry in others if entry["patients"]]


def _cases(evaluation: dict[str, Any]) -> frozenset[str]:
    return frozenset(patient["case"] for patient in evaluation["patients"])


def published_settings(split: Split) -> ModelSettings:
    """The settings that the bundle of a split is published with."""
    settings = model_settings(split)
    if split.run.system != "cimd":
        return settings
    own_guesses = replace(settings.sampling, shared_guess=False)  # each mask is its own opinion
    return replace(settings, variant="mini", sampling=own_guesses, denoiser=replace(settings.denoiser, members=1))


def published(split: Split) -> Bundle:
    """The bundle of a split as it was published.

    Raises
    ------
    RecipeError
        If the run has other settings by now.
    """
    folder = split.work / "bundle"
    bundle = read_bundle(folder)
    start = start_of(split.run.recipe)
    made = (bundle.provenance.get("recipe"), bundle.provenance.get("start"), bundle.settings)
    wanted = (told_recipe(split.run.recipe), None if start is None else told_start(start), published_settings(split))
    if made != wanted:
        raise RecipeError(f"{folder}: was published with other settings than the run has now; publish it again")
    return bundle


def make_bundle(split: Split, *, synthetic: dict[str, Any] | None = None) -> Bundle:
    """Put the networks of a split together with settings and provenance.

    The cases that the model says it has learned from are also those of the model that it started from: nobody of them
    is to be judged with it.
    """
    recipe, settings = split.run.recipe, published_settings(split)
    if split.run.system == "cimd":
        from src_training.baselines.training import load_cimd_denoiser

        denoisers = [load_cimd_denoiser(split)]
    else:
        denoisers = load_denoisers(split)
    networks = DdmdNetworks(settings)
    train_sets([(split, split.training_cases)])  # maps out of fold do without these
    ae_1, ae_2 = load_ensembles(split, split.training_cases)
    networks.ae_1.load_state_dict(ae_1.state_dict())
    networks.ae_2.load_state_dict(ae_2.state_dict())
    for network, trained in zip(networks.denoisers, denoisers, strict=True):
        network.load_state_dict(trained.state_dict())
    start = start_of(recipe)
    known = [] if start is None else told_start(start)["training_cases"]
    provenance = {
        "package_version": version("napari-ddmd"),
        "split": split.name,
        "system": split.run.system or own_system(recipe),
        "training_cases": [*split.training_cases, *(case for case in known if case not in split.training_cases)],
        "held_out_cases": split.test_cases,
        "folds": split.folds,
        "recipe": told_recipe(recipe),
        "cross_validation": _cross_validation(split.run),
    }
    lesions = {} if start is None else told_lesions(start.provenance)
    if start is not None:
        provenance["start"] = told_start(start)
    if synthetic is not None:
        provenance["synthetic"] = synthetic
    else:
        own = split.run.lesions()
        lesions |= {case: lesion for case in split.training_cases if (lesion := own[case]) is not None}
    if lesions:
        provenance["lesions"] = lesions
    bundle = new_bundle(
        settings,
        networks,
        name=recipe.name if synthetic is None else recipe.name + SYNTHETIC_NAME,
        version=recipe.version,
        provenance=provenance,
        card=summary_line(provenance, settings.to_dict()),
    )
    return replace(bundle, provenance=provenance | {"evaluations": _evaluations(split, bundle.sha256)})


def told_recipe(recipe: Recipe) -> dict[str, Any]:
    """What a bundle says of its recipe: nothing of places on this computer."""
    described = recipe.to_dict()
    described["slices"].pop("fold_file")  # the folds themselves are told
    if described["pretraining"].pop("anatomy") is not None:
        described["pretraining"]["anatomy"] = True  # whose, and where they lie, is nobody's business
    if not meets_synthetic(recipe):
        del described["pretraining"]["autoencoders"]  # as models of earlier versions tell it
    told = ("preset", "seed", "slices", "autoencoders", "discrepancies", "pretraining", "diffusion")
    return {key: described[key] for key in told}


def _evaluations(split: Split, sha256: str) -> list[dict[str, Any]]:
    """Figures of the held-out patients that were judged with these very weights, in the way that the card tells of."""
    remedy = "delete it and run the stage 'evaluate' again"
    found = [read_json(path, remedy=remedy) for path in sorted((split.work / "evaluation").glob("*.json"))]
    wanted = {"sha256": sha256, **how(split.run)}
    judged = [
        patient for patient in found if are_same(patient["made_with"], wanted) and patient["case"] in split.test_cases
    ]
    return [recorded(judged, split.run.recipe.seed)] if judged else []


def _cross_validation(run: Run) -> dict[str, Any]:
    """Figures of the run's evaluation, if it was of the very recipe and sampling that are published."""
    if run.system is not None:
        return {}
    path = run.root / "metrics.json"
    remedy = "delete it and run the stage 'evaluate' again"
    metrics = read_json(path, remedy=remedy) if path.exists() else {}
    own = own_system(run.recipe)
    systems: dict[str, Any] = metrics["systems"] if are_same(metrics.get("made_with"), how(run)) else {}
    return {own: systems[own]} if own in systems else {}
