"""Held-out patients with worse images: every strength is judged once, and what is lost is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src_training import robustness as module
from src_training.__main__ import main
from src_training.perturbations import PERTURBATIONS
from src_training.robustness import robustness_table, summarise_robustness

from .conftest import PATIENTS


def one(case: str, unchanged: float, loss: float) -> dict[str, object]:
    changed = {name: [unchanged - loss * (k + 1) for k in range(len(p.strengths))] for name, p in PERTURBATIONS.items()}
    return {"case": case, "unchanged": unchanged, "changed": changed, "made_with": {"sha256": "0"}}


def test_losses_are_against_the_same_patient_as_it_is() -> None:
    summary = summarise_robustness([one("a", 0.9, 0.1), one("b", 0.7, 0.0)])
    second = summary["perturbations"]["gamma"][1]

    assert summary["unchanged"] == pytest.approx(0.8)
    assert second["dice"] == pytest.approx(0.7)
    assert second["loss"] == pytest.approx(0.1)
    assert second["interval"] == pytest.approx([0.0, 0.2])
    assert second["per_patient"] == pytest.approx({"a": 0.7, "b": 0.7})
    rows = robustness_table(summary).splitlines()
    assert sum("| gamma |" in row for row in rows) == 4
    assert "| no flair |  | 0.750 | 0.050 | 0.000 to 0.100 |" in rows


def test_the_stage_judges_every_held_out_patient_once(
    tiny_copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {name: PERTURBATIONS[name] for name in ("gamma", "blur", "noise", "bias", "thickness", "no_t1", "no_flair")}
    monkeypatch.setattr(module, "PERTURBATIONS", few)
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "cv"]) == 0
    found = json.loads((tiny_copy / "robustness.json").read_text())

    assert set(found["unchanged_per_patient"]) == set(PATIENTS)
    assert set(found["perturbations"]) == set(few)
    assert all(0 <= point["dice"] <= 1 for points in found["perturbations"].values() for point in points)
    assert (tiny_copy / "figures" / "robustness.png").exists()
    assert "| no flair |" in (tiny_copy / "robustness.md").read_text()

    def again(*_: object) -> None:
        raise AssertionError("judged twice")

    monkeypatch.setattr(module, "judge_case", again)
    capsys.readouterr()
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "cv"]) == 0
    assert json.loads((tiny_copy / "robustness.json").read_text()) == found


def test_the_final_model_holds_nobody_out(tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "final"]) == 2
    assert "no held-out patient was judged; give --fold cv or a fold's number" in capsys.readouterr().err
