"""Curves of what the evaluation has counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from src_training.__main__ import parse
from src_training.figures.stage import held_out_patients
from src_training.figures.uncertainty import COVERAGES, join_counts, uncertainty
from src_training.metrics import UNCERTAINTY_BINS
from src_training.run import Run

from ..conftest import PATIENTS


def counted(case: str, sure_wrong: int, unsure_wrong: int) -> dict[str, object]:
    """A hundred sure voxels and ten unsure ones, some of them wrong."""
    voxels, errors = np.zeros(UNCERTAINTY_BINS, int), np.zeros(UNCERTAINTY_BINS, int)
    voxels[0], voxels[-1], errors[0], errors[-1] = 100, 10, sure_wrong, unsure_wrong
    return {
        "case": case,
        "values": {"sample_spread": 0.1, "sample_error": 0.3},
        "uncertainty": {"voxels": voxels.tolist(), "errors": errors.tolist()},
        "calibration": {"voxels": [100, 0, 10], "stated": [1.0, 0.0, 9.0], "lesion": [2.0, 0.0, 8.0]},
    }


def test_counts_of_patients_are_added_before_they_are_divided() -> None:
    joined = join_counts([counted("a", 0, 10), counted("b", 2, 0)])

    assert joined["stated"] == pytest.approx([0.01, 0.9])  # the empty bin is no point
    assert joined["observed"] == pytest.approx([0.02, 0.8])
    assert joined["risk"][-1] == pytest.approx(12 / 220)
    assert joined["risk"][0] == pytest.approx(2 / 200)
    assert joined["risk_per_patient"]["a"][0] == 0
    assert joined["spread"]["b"] == {"between": 0.1, "to_expert": 0.3}


def test_the_figure_shows_what_was_evaluated(tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(parse(["--out", str(tiny_copy), "--fold", "cv"]))
    patients = held_out_patients(run)
    written = uncertainty(run, patients)
    numbers = json.loads((tiny_copy / "figures" / "uncertainty.json").read_text())

    assert [path.suffix for path in written] == [".png", ".svg", ".json"]
    assert set(numbers["spread"]) == set(PATIENTS)
    assert len(numbers["risk"]) == len(COVERAGES)
    for patient in patients:
        (patient.split.work / "evaluation" / f"{patient.name}.json").unlink()
    assert uncertainty(run, patients) == []
    assert "no patient was evaluated" in capsys.readouterr().err
