"""Scores in sample, cross-fitted and held out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from src_training.figures.cross_fitting import cross_fitting, medians, split_scores
from src_training.figures.trained import Patient
from src_training.run import Run


def test_ratios_of_medians() -> None:
    found = medians(
        {
            "in_sample": np.array([1.0, 2.0, 3.0]),
            "cross_fitted": np.array([3.0, 3.0]),
            "held_out": np.array([4.0]),
        }
    )

    assert found["quartiles"]["in_sample"] == [1.5, 2.0, 2.5]
    assert found["cross_fitted_to_in_sample"] == 1.5
    assert found["held_out_to_in_sample"] == 2
    assert found["held_out_to_cross_fitted"] == pytest.approx(4 / 3)


def test_ratios_to_nothing_are_undefined() -> None:
    found = medians({"in_sample": np.zeros(3), "cross_fitted": np.ones(3), "held_out": np.empty(0)})

    assert found["cross_fitted_to_in_sample"] is None
    assert found["held_out_to_cross_fitted"] is None


def test_groups_have_their_own_patients(patients: list[Patient]) -> None:
    split = patients[0].split
    scores = split_scores(split, 1)["inter"]
    index = json.loads(split.run.index_path.read_text())["cases"]

    for label, sick in (("healthy", False), ("abnormal", True)):
        counts = {case: index[case]["unhealthy"].count(sick) for case in index}
        assert len(scores[label]["held_out"]) == sum(counts[case] for case in split.test_cases)
        assert len(scores[label]["in_sample"]) == sum(counts[case] for case in split.training_cases)
        assert len(scores[label]["cross_fitted"]) == len(scores[label]["in_sample"])
        assert not np.allclose(scores[label]["cross_fitted"], scores[label]["in_sample"])


def test_the_figure_of_a_run(drawn_run: Run, patients: list[Patient]) -> None:
    written = cross_fitting(drawn_run, patients, every=2)
    found = json.loads(written[2].read_text())

    assert found["splits"] == 3
    for kind in ("inter", "intra"):
        known = found["scores"][kind]["abnormal"]
        assert known["held_out_to_in_sample"] == pytest.approx(
            known["quartiles"]["held_out"][1] / known["quartiles"]["in_sample"][1]
        )
    assert "training patients, cross-fitted" in written[1].read_text(encoding="utf-8")


def test_maps_in_sample_leave_nothing_to_compare(
    drawn_run: Run, patients: list[Patient], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = drawn_run.recipe
    plain = replace(recipe, discrepancies=replace(recipe.discrepancies, out_of_fold=False))

    assert cross_fitting(Run(plain), patients) == []
    assert "in sample, nothing to compare" in capsys.readouterr().err
