"""``--start-from``: a training that goes on from a published model, as for the cases of another hospital.

The model's autoencoders are kept: where they have not seen the run's patients, all maps are out of fold without
cross-fitting. Its denoisers learn on from their weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_ddmd.case.naming import patient_of
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.library import list_bundles, load_bundle
from napari_ddmd.model.settings import ModelSettings
from src_training.folds import of_known_patients, told_lesions
from src_training.recipe import PRESETS, DiscrepancyRecipe, Recipe, RecipeError, preset

STARTED_PATIENTS = 80
"""Synthetic patients beside the run's own, unless their number is given."""
LESSONS = ("iterations", "learning_rate", "autoencoder_epochs", "autoencoders")
"""Settings of a pre-training, which the model has behind it."""
STARTED_RATE = 5e-4
"""Most that the denoiser's learning rate rises to, unless it is given: a higher one is for random weights."""
PATIENTS_APART = 2**31
"""Between the seeds of a run and of its synthetic patients: the autoencoders may have seen those that others have."""


@lru_cache(maxsize=1)
def _read(place: str) -> Bundle:
    return load_bundle(place)


def start_of(recipe: Recipe) -> Bundle | None:
    """The model that a training starts from, if from any.

    Raises
    ------
    BundleError
        If there is no such model, or it is damaged.
    """
    return None if recipe.start_from is None else _read(recipe.start_from)


def own_preset(place: str) -> Recipe:
    """The preset that a model was made with, as far as it says; what a training from it starts with, but the folds."""
    recipe = _read(place).provenance.get("recipe")
    told = recipe.get("preset") if isinstance(recipe, dict) else None
    return replace(next((preset(name) for name in PRESETS if name == told), Recipe()), fold=Recipe.fold)


def started(base: Recipe, place: str) -> Recipe:
    """A recipe with the networks of a model in the place of its own, fewer synthetic patients, and a lower rate."""
    start, settings, diffusion = _read(place), base.pretraining, base.diffusion
    fewer = replace(settings, patients=min(settings.patients, STARTED_PATIENTS))
    slower = replace(diffusion, learning_rate=min(diffusion.learning_rate, STARTED_RATE))
    return replace(
        base,
        name=f"{start.name}-adapted",
        model=_unscaled(start.settings),
        discrepancies=DiscrepancyRecipe(),
        pretraining=fewer,
        diffusion=slower,
    )


def check_start(recipe: Recipe) -> None:
    """Refuse a model that no training can start from, and settings that do not go with one that can.

    Raises
    ------
    RecipeError
        One line: what, and what to do.
    """
    start = start_of(recipe)
    if start is None:
        return
    learned_from(start)
    place = Path(recipe.start_from or "")
    is_installed = recipe.start_from in {folder.name for folder in list_bundles()}
    if not is_installed and place.resolve().is_relative_to(recipe.out.resolve()):
        raise RecipeError(f"{recipe.out}: holds the model that the training is to start from; choose another --out")
    if start.provenance.get("system") == "cimd":
        raise RecipeError(f"{start.name}: is trained by another method (cimd); a training cannot start from it")
    if recipe.pretraining.patients and not recipe.pretraining.share:
        raise RecipeError("pretraining.share 0 leaves synthetic patients unused; give --pretraining.patients 0, too")
    if recipe.discrepancies != DiscrepancyRecipe():
        raise RecipeError("discrepancies: maps are made as the model that is started from has them; leave these out")
    wanted, given = (settings.to_dict() for settings in (_unscaled(start.settings), recipe.model))
    other = [f"model.{key}" for key, value in wanted.items() if key != "sampling" and given[key] != value]
    if other:
        raise RecipeError(
            f"{start.name}: its networks have other settings ({', '.join(other)}) than are given; "
            "leave these out, since a training that starts from a model keeps its networks"
        )


def refuse_unused(recipe: Recipe, base: Recipe) -> None:
    """Refuse options that a training from a model leaves unused: those of what it has behind it.

    Parameters
    ----------
    recipe
        As the options make it.
    base
        As it was before: started, or the run's own.

    Raises
    ------
    RecipeError
        One line: which, and what to do.
    """
    if recipe.start_from is None:
        return
    unused = [("autoencoders", name) for name in vars(recipe.autoencoders)]
    unused += [("pretraining", name) for name in LESSONS]
    given = [
        f"{group}.{name}".replace("_", "-")
        for group, name in unused
        if getattr(getattr(recipe, group), name) != getattr(getattr(base, group), name)
    ]
    if given:
        raise RecipeError(
            f"{', '.join(given)}: a training that starts from a model keeps its autoencoders and has no pre-training; "
            "leave these out"
        )


def refuse_seen(start: Bundle, held_out: Iterable[str], split: str, lesions: Mapping[str, str | None]) -> None:
    """Refuse to hold out patients that the model has learned from: their figures would flatter it.

    They are known by their names and, as far as hashes of the lesions are told, by these.

    Raises
    ------
    RecipeError
        One line: who, and what to do.
    """
    told = {**lesions, **told_lesions(start.provenance)}
    known = sorted({patient_of(name) for name in of_known_patients(held_out, learned_from(start), told)})
    if known:
        raise RecipeError(
            f"{split}: holds out patients that {start.name} has learned from ({', '.join(known[:3])}); "
            "give --fold final, or start from a model that has not seen them"
        )


def learned_from(bundle: Bundle) -> list[str]:
    """The cases that a model says it has learned from.

    Raises
    ------
    RecipeError
        If it does not say so as it should: nobody could be judged with what starts from it.
    """
    cases = bundle.provenance.get("training_cases")
    if not (isinstance(cases, list) and all(isinstance(name, str) for name in cases)):
        raise RecipeError(
            f"{bundle.name}: its model.json does not say as it should who it has learned from, so that no training can "
            "start from it"
        )
    return cases


def told_start(bundle: Bundle) -> dict[str, Any]:
    """What a model says of the one that it started from."""
    return {
        "name": bundle.name,
        "version": bundle.version,
        "sha256": bundle.sha256,
        "training_cases": learned_from(bundle),
    }


def _unscaled(settings: ModelSettings) -> ModelSettings:
    """The settings as a recipe has them: the scales of the maps are no settings but found, or the model's."""
    return replace(settings, diffusion=replace(settings.diffusion, inter_scale=1.0, intra_scale=1.0))
