"""``--start``: a training that goes on from a published model, as for the cases of another hospital.

The model's autoencoders are kept: they have not seen the run's patients, whose maps are therefore out of fold without
cross-fitting. Its denoisers learn on from their weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.library import load_bundle
from napari_ddmd.model.settings import ModelSettings
from src_training.folds import patient_of
from src_training.recipe import PRESETS, Recipe, RecipeError, preset

STARTED_PATIENTS = 80
"""Synthetic patients beside the run's own, unless their number is given: enough to keep what was learned from more."""
SEEDS_APART = 500_000
"""Between the seeds of a run and of its synthetic patients: the model may have learned from those that others have."""


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
    return None if recipe.start is None else _read(str(recipe.start))


def own_preset(place: str) -> Recipe:
    """The preset that a model was made with, as far as it says; what a training from it starts with."""
    recipe = _read(place).provenance.get("recipe")
    told = recipe.get("preset") if isinstance(recipe, dict) else None
    return next((preset(name) for name in PRESETS if name == told), Recipe())


def started(base: Recipe, place: str) -> Recipe:
    """A recipe with the networks of a model in the place of its own, and fewer synthetic patients."""
    settings = base.pretraining
    fewer = replace(settings, patients=min(settings.patients, STARTED_PATIENTS))
    return replace(base, model=_unscaled(_read(place).settings), pretraining=fewer)


def refuse_other_networks(recipe: Recipe) -> None:
    """Refuse settings of the networks that are not those of the model that a training starts from.

    Raises
    ------
    RecipeError
        One line: which settings.
    """
    start = start_of(recipe)
    if start is None:
        return
    wanted, given = (settings.to_dict() for settings in (_unscaled(start.settings), recipe.model))
    other = [f"model.{key}" for key, value in wanted.items() if key != "sampling" and given[key] != value]
    if other:
        raise RecipeError(
            f"{start.name}: its networks have other settings ({', '.join(other)}) than are given; "
            "leave these out, since a training that starts from a model keeps its networks"
        )


def refuse_seen(start: Bundle, held_out: Iterable[str], split: str) -> None:
    """Refuse to hold out patients that the model has learned from: their figures would flatter it.

    Raises
    ------
    RecipeError
        One line: who, and what to do.
    """
    seen = {patient_of(name) for name in learned_from(start)}
    known = sorted({patient_of(name) for name in held_out} & seen)
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
    cases = bundle.provenance.get("training_cases", [])
    if not (isinstance(cases, list) and all(isinstance(name, str) for name in cases)):
        raise RecipeError(f"{bundle.name}: its model.json does not say as it should who it has learned from")
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
