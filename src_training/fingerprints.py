"""What results say of the settings that they were made with, and whether a run asks for the same."""

from __future__ import annotations

from typing import Any

from napari_ddmd.model.settings import ModelSettings
from src_training.recipe import Recipe
from src_training.start import LESSONS

NO_LONGER_TOLD = {"fold_file": None, "unhealthy_fraction": 0.5}
"""What earlier versions told of the slices where it changes nothing, as they told it by default."""


def told_slices(recipe: Recipe, *, are_drawn: bool) -> dict[str, Any]:
    """Which slices are learned from. Their folds, wherever these were listed, are kept by the slice store.

    Parameters
    ----------
    recipe
        The settings.
    are_drawn
        Whether batches are drawn with a share of slices with lesion, which is told then.
    """
    slices: dict[str, Any] = recipe.to_dict()["slices"]
    left_out = ("fold_file",) if are_drawn else tuple(NO_LONGER_TOLD)
    return {key: value for key, value in slices.items() if key not in left_out}


def told_process(settings: ModelSettings) -> dict[str, Any]:
    """The diffusion settings that weights depend on, in the words of trainings before the input was scaled by any."""
    told = settings.to_dict()["diffusion"]
    if not told["scaled_input"]:
        del told["scaled_input"]
    return dict(told)


def in_words_of(made: Any, wanted: Any) -> Any:
    """What a result of this or an earlier version says of its settings, without what ``wanted`` does not tell any more.

    That is where the folds were listed, settings of a pre-training that there was none of or that another training has
    had, and the share of slices with lesion where none is drawn.
    """
    if not (isinstance(made, dict) and isinstance(wanted, dict)):
        return made
    if wanted == {"patients": 0} == {"patients": made.get("patients")}:
        return wanted
    return {
        key: in_words_of(value, wanted.get(key))
        for key, value in made.items()
        if key in wanted or key not in (*NO_LONGER_TOLD, *LESSONS)
    }


def are_same(made: Any, wanted: Any) -> bool:
    """Tell whether a result was made with the settings that are asked for."""
    return bool(in_words_of(made, wanted) == wanted)
