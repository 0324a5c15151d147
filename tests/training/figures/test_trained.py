"""Which systems and patients there are to draw, and which slices are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src_training.figures.trained import Patient, largest_lesion_slice, shown_slices, trained_systems
from src_training.recipe import SYSTEMS, RecipeError
from src_training.run import Run

from ..conftest import PATIENTS


def test_the_slice_with_the_largest_lesion_is_shown() -> None:
    mask = np.zeros((5, 4, 4), np.uint8)
    mask[1, 0, :2], mask[2, 0, :3], mask[4, 0, :3] = 1, 4, 2

    assert largest_lesion_slice(mask) == 2, "labels count as one lesion; the lowest of equal slices"
    assert largest_lesion_slice(np.zeros_like(mask)) is None


def test_every_patient_is_held_out_by_its_split(patients: list[Patient]) -> None:
    assert [patient.name for patient in patients] == list(PATIENTS)
    for patient in patients:
        assert patient.name in patient.split.test_cases
        assert patient.systems == ("ddmd",)
        assert patient.name not in patient.bundle("ddmd").provenance["training_cases"]


def test_patients_are_shown_in_their_order(patients: list[Patient]) -> None:
    shown = shown_slices(patients, 2)

    assert [patient.name for patient, _, _ in shown] == list(PATIENTS[:2])
    for _, case, index in shown:
        assert case.mask is not None
        areas = (case.mask > 0).sum(axis=(1, 2))
        assert areas[index] == areas.max() > 0


def test_a_model_that_was_published_with_other_settings_is_not_drawn(patients: list[Patient]) -> None:
    patient = patients[0]
    recipe = patient.split.run.recipe
    model = replace(recipe.model, sampling=replace(recipe.model.sampling, steps=3))
    for changed in (replace(recipe, model=model), replace(recipe, preset="small")):
        split = replace(patient.split, run=replace(patient.split.run, recipe=changed))
        with pytest.raises(RecipeError, match=r"bundle: was published with other settings[^\n]*; publish it again$"):
            replace(patient, split=split).bundle("ddmd")


def test_what_was_trained_with_other_settings_is_refused(drawn_run: Run) -> None:
    recipe = replace(drawn_run.recipe, diffusion=replace(drawn_run.recipe.diffusion, iterations=99))
    with pytest.raises(RecipeError, match="other settings"):
        trained_systems(Run(recipe).split("0"), SYSTEMS)
