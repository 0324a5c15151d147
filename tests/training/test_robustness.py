"""Held-out patients with worse images: every strength is judged once, and what is lost is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ddmd.case import Case, CaseError, load_case
from napari_ddmd.model.bundle import read_bundle
from src_training import robustness as module
from src_training.__main__ import main
from src_training.perturbations import PERTURBATIONS
from src_training.recipe import DataRecipe
from src_training.robustness import judge_case, robustness_table, summarise_robustness
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe


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

    def again(*_: object, **__: object) -> None:
        raise AssertionError("judged twice")

    monkeypatch.setattr(module, "judge_case", again)
    capsys.readouterr()
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "cv"]) == 0
    assert json.loads((tiny_copy / "robustness.json").read_text()) == found


def test_the_band_of_slices_holds_for_thick_ones_too(cohort: Path, tiny_out: Path) -> None:
    run = Run(tiny_recipe(cohort, tiny_out, "--slices.first-slice", "5", "--slices.last-slice", "6"))
    case, bundle = load_case(cohort / PATIENTS[0]), read_bundle(tiny_out / "fold0" / "bundle")
    found = judge_case(case, bundle, run.recipe, device="cpu")

    assert len(found["changed"]["thickness"]) == 2
    with pytest.raises(CaseError, match="no slice of the band holds brain"):
        judge_case(case, bundle, replace(run.recipe, slices=DataRecipe(first_slice=8)), device="cpu")


def test_figures_of_other_weights_are_judged_again(tiny_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def judge(case: Case, *_: object, **__: object) -> dict[str, object]:
        judged.append(case.name)
        return {key: value for key, value in one(case.name, 0.5, 0.0).items() if key != "made_with"}

    monkeypatch.setattr(module, "judge_case", judge)
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "cv"]) == 0
    stale = next(tiny_copy.glob("fold0/robustness/*.json"))
    data = json.loads(stale.read_text())
    stale.write_text(json.dumps(data | {"made_with": data["made_with"] | {"sha256": "another"}}))
    judged.clear()
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "cv"]) == 0
    assert judged == [stale.stem]


def test_a_published_model_is_not_judged_here(tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robustness", "--out", str(tiny_copy), "--bundle", "compact"]) == 2
    assert "leave --bundle out" in capsys.readouterr().err


def test_the_final_model_holds_nobody_out(tiny_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["robustness", "--out", str(tiny_copy), "--fold", "final"]) == 2
    assert "no held-out patient was judged; give --fold cv or a fold's number" in capsys.readouterr().err
