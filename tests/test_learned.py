"""Whether a model was trained on the very patient whom it looks at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_ddmd.learned import caution_of, training_cases
from napari_ddmd.model import load_bundle, untrained_bundle

KNOWN = ("BraTS2021_00006", "BraTS-GLI-00000-000")


@pytest.mark.parametrize("case", [*KNOWN, "BraTS-GLI-00000-001"])
def test_a_patient_is_known_by_name_at_any_time_point(case: str) -> None:
    (caution,) = caution_of(case, KNOWN)
    assert caution.startswith(f"{case}: the model was trained on this patient; ")


@pytest.mark.parametrize("case", ["BraTS2021_00007", "BraTS-GLI-00001-000", "BraTS2021_00006_repeated", ""])
def test_others_are_not(case: str) -> None:
    assert caution_of(case, KNOWN) == ()


def test_a_model_says_whom_it_was_trained_on() -> None:
    assert "BraTS2021_00006" in training_cases(load_bundle())
    bundle = untrained_bundle()
    for told, found in (({}, ()), ({"training_cases": "all"}, ()), ({"training_cases": ["a", 3]}, ("a",))):
        assert training_cases(replace(bundle, provenance=told)) == found
