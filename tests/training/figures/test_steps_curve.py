"""Dice against steps: who is judged, what is kept, and the points of a curve."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest

from napari_ddmd.case import Case
from napari_ddmd.model.bundle import Bundle
from src_training.few_steps import Outcome
from src_training.figures import steps_curve as module
from src_training.figures.steps_curve import in_turn, steps_curve, summarise_curves
from src_training.figures.trained import Patient
from src_training.run import Run


def test_patients_come_from_each_fold_in_turn(patients: list[Patient]) -> None:
    chosen = in_turn(patients, 3)

    assert sorted(patient.split.name for patient in chosen) == ["fold0", "fold1", "fold2"]
    assert len(in_turn(patients, 9)) == 4


def test_points_are_means_over_patients() -> None:
    curves = summarise_curves(
        [
            Outcome("a", "ddim", 1, {1: 0.2, 2: 0.4}, 1.0),
            Outcome("a", "ddim", 5, {1: 0.5, 2: 0.5}, 5.0),
            Outcome("b", "ddim", 1, {1: 0.4, 2: 0.8}, 3.0),
        ]
    )

    first, second = curves["ddim"]
    assert (first["steps"], second["steps"]) == (1, 5)
    assert first["mean"] == pytest.approx(0.6)
    assert first["mean_of_one"] == pytest.approx(0.3)
    assert first["seconds"] == 2
    assert first["per_patient"] == {"a": 0.4, "b": 0.8}
    assert second["per_patient"] == {"a": 0.5}


def test_what_was_judged_is_kept(drawn_run: Run, patients: list[Patient], monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[tuple[str, str, int]] = []

    def judge(case: Case, bundle: Bundle, *, sampler: str, steps: int, **_: Any) -> Outcome:
        judged.append((case.name, sampler, steps))
        return Outcome(case.name, sampler, steps, {1: 0.25, 2: 0.5}, 1.0)

    monkeypatch.setattr(module, "judge_steps", judge)
    shutil.rmtree(drawn_run.root / "figures", ignore_errors=True)  # other tests draw into this run, too
    options: dict[str, Any] = {"samplers": ["ddim", "ddpm"], "at_most": 2}
    written = steps_curve(drawn_run, patients, steps=[1, 2], **options)
    assert len(judged) == len(set(judged)) == 8
    steps_curve(drawn_run, patients, steps=[1, 2], **options)
    assert len(judged) == 8
    steps_curve(drawn_run, patients, steps=[1, 2, 3, 5000], **options)
    assert [steps for _, _, steps in judged[8:]] == [3, 3, 3, 3], "5000 steps are more than the model has"
    curves = json.loads(written[2].read_text())["systems"]["ddmd"]
    assert [point["mean"] for point in curves["ddim"]] == [0.5] * 3
    steps_curve(drawn_run, patients, steps=[1], every=3, **options)
    assert len(judged) == 16, "other slices are judged anew"


def test_without_a_diffusion_system_it_is_left_out(
    drawn_run: Run, patients: list[Patient], capsys: pytest.CaptureFixture[str]
) -> None:
    plain = [replace(patient, systems=("unet",)) for patient in patients]

    assert steps_curve(drawn_run, plain) == []
    assert "no diffusion system" in capsys.readouterr().err
