"""Runs whose denoisers take turns with another run's in drawing the masks: a deep ensemble, in diffusion's terms.

Denoisers that were trained differently err differently, so that the mean of their masks is better than each one's, and
the spread of the masks says more; it costs no evaluation more, since a mask is drawn by one of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from napari_ddmd.case import MODALITIES
from napari_ddmd.model.settings import ModelSettings
from src_training.diffusion import load_denoiser, model_settings, training_fingerprint
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run, Split
from src_training.saved import read_recipe

TOLERANCE = 0.01
"""Autoencoders that were trained twice differ in the last digits, and the scales of their maps with them."""


def partner_runs(run: Run) -> list[Run]:
    """The runs that the recipe names as partners; other systems of Table 1 have none.

    Raises
    ------
    RecipeError
        If one of them was made of other patients, slices, autoencoders or networks than the run.
    """
    if run.system is not None:
        return []
    found = [Run(replace(read_recipe(path, Recipe()), out=path, partners=())) for path in run.recipe.partners]
    for partner in found:
        different = _differences(run, partner)
        if different:
            raise RecipeError(
                f"{partner.root}: its denoisers cannot take turns with those of {run.root}, for it differs in "
                f"{', '.join(different)}; leave it out of --partners"
            )
    return found


def joined_denoisers(split: Split) -> tuple[ModelSettings, list[dict[str, Tensor]]]:
    """Weights of the split's denoiser and its partners', and settings that show each what it was trained with.

    Raises
    ------
    RecipeError
        If one of them has not been trained, or its maps have another scale.
    """
    splits = [split, *(replace(split, run=partner) for partner in partner_runs(split.run))]
    settings = [model_settings(own) for own in splits]
    first = settings[0]
    for own, theirs in zip(splits[1:], settings[1:], strict=True):
        for scale in ("inter_scale", "intra_scale"):
            if not math.isclose(getattr(first.diffusion, scale), getattr(theirs.diffusion, scale), rel_tol=TOLERANCE):
                raise RecipeError(f"{own.folder / 'maps'}: have another scale than those of {split.folder}")
    mirrored = any(own.context.mirrored for own in settings)
    joined = replace(first, context=replace(first.context, mirrored=mirrored))
    weights = [load_denoiser(own).state_dict() for own in splits]
    return joined, [
        with_mirror_input(own, theirs) if mirrored and not theirs.context.mirrored else own
        for own, theirs in zip(weights, settings, strict=True)
    ]


def joined_fingerprint(run: Run) -> dict[str, Any]:
    """What must be equal of two splits whose figures are said to be of the same recipe and the same partners."""
    partners = [training_fingerprint(partner)["denoiser"] for partner in partner_runs(run)]
    return training_fingerprint(run) | ({"partners": partners} if partners else {})


def with_mirror_input(weights: dict[str, Tensor], settings: ModelSettings) -> dict[str, Tensor]:
    """The same denoiser, given the mirror image as well and deaf to it.

    Parameters
    ----------
    weights
        Of a denoiser that is not shown the mirror image.
    settings
        Those that it was trained with.
    """
    stem = "unet.conv_in.weight"
    pixels = settings.denoiser.patch**2  # the stem turns each channel into so many
    before = settings.context.images * len(MODALITIES) * pixels
    weight = weights[stem]
    none = weight.new_zeros(len(weight), len(MODALITIES) * pixels, *weight.shape[2:])
    return weights | {stem: torch.cat([weight[:, :before], none, weight[:, before:]], dim=1)}


def _differences(run: Run, partner: Run) -> list[str]:
    """What must be equal of two runs whose denoisers are to take turns, and is not."""
    pairs = {
        "patients or folds": (run.stored_folds(), partner.stored_folds()),
        "slices": (run.slices_fingerprint, partner.slices_fingerprint),
        "autoencoders or maps": (run.maps_fingerprint, partner.maps_fingerprint),
        "networks": (_networks(run), _networks(partner)),
    }
    return [name for name, (one, other) in pairs.items() if one != other]


def _networks(run: Run) -> dict[str, object]:
    model = run.recipe.to_dict()["model"]
    return {key: model[key] for key in ("variant", "autoencoder", "denoiser", "diffusion")}
