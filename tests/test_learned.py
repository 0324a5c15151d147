"""Whether a model was trained on the very patient whom it looks at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_ddmd.learned import cautions_of, training_cases
from napari_ddmd.model import load_bundle, untrained_bundle
from napari_ddmd.saveable import ModelFacts

KNOWS = ModelFacts("compact", "7.1", "full", "ab" * 32, "", ("BraTS2021_00006", "BraTS-GLI-00000-000"))


@pytest.mark.parametrize("case", [*KNOWS.training_cases, "BraTS-GLI-00000-001", "brats2021_00006"])
def test_a_patient_is_known_by_name_at_any_time_point(case: str) -> None:
    other = replace(KNOWS, name="other", training_cases=())
    (caution,) = cautions_of(case, other, KNOWS, KNOWS)
    assert caution.startswith("the model compact 7.1 was trained on this patient; ")


@pytest.mark.parametrize("case", ["BraTS2021_00007", "BraTS-GLI-00001-000", "BraTS2021_00006_repeated", ""])
def test_others_are_not(case: str) -> None:
    assert cautions_of(case, KNOWS) == []


def test_a_model_says_whom_it_was_trained_on() -> None:
    assert "BraTS2021_00006" in training_cases(load_bundle())
    bundle = untrained_bundle()
    for told, found in (({}, ()), ({"training_cases": "all"}, ()), ({"training_cases": ["a", 3]}, ("a",))):
        assert training_cases(replace(bundle, provenance=told)) == found
