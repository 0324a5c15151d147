"""What a missing modality costs is what was measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case
from napari_ddmd.missing import DICE_COMPLETE, DICE_WITHOUT, cost_of_missing, costs_of_missing, missing_modalities

MEASURED = Path(__file__).parents[1] / "docs" / "robustness.json"


def test_modalities_that_are_zero_throughout_are_missing(small_case: Case) -> None:
    assert missing_modalities(small_case) == ()
    images = small_case.images.copy()
    images[[0, 3]] = 0
    assert missing_modalities(dataclasses.replace(small_case, images=images)) == ("t1", "flair")


def test_the_figures_are_those_of_the_docs() -> None:
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    assert pytest.approx(measured["unchanged"], abs=0.005) == DICE_COMPLETE
    assert set(DICE_WITHOUT) == set(MODALITIES)
    for modality, dice in DICE_WITHOUT.items():
        (row,) = measured["perturbations"][f"no_{modality}"]
        assert row["dice"] == pytest.approx(dice, abs=0.006)


def test_all_costs_are_one_line() -> None:
    line = costs_of_missing()
    assert all(f"{dice:.2f} without {MODALITY_LABELS[name]}" in line for name, dice in DICE_WITHOUT.items())
    assert "\n" not in line


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_cost_is_one_line(modality: str) -> None:
    line = cost_of_missing(modality)
    assert line.startswith(f"{MODALITY_LABELS[modality]} is missing: no discrepancy maps")
    assert ("not to be relied on" in line) == (modality == "flair")
