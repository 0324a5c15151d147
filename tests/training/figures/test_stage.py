"""The stage as a whole: what it needs, what it says, and that it trains nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from src_training.__main__ import main
from src_training.figures import stage
from src_training.figures.cross_fitting import cross_fitting
from src_training.figures.denoising import fig5_denoising
from src_training.figures.stage import figures, held_out_patients
from src_training.figures.steps_curve import steps_curve
from src_training.figures.trained import Patient
from src_training.run import Run

from ..conftest import tiny_words


def test_a_run_without_slices_names_the_command(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["figures", *tiny_words(cohort, out)]) == 2

    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"run 'python -m src_training table --data {cohort} --out {out}' first" in said
    assert not out.exists()


def test_a_run_without_a_trained_system_names_the_command(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["prepare", *tiny_words(cohort, out)]) == 0
    assert main(["figures", "--data", str(cohort), "--out", str(out)]) == 2

    assert "has no trained system; run 'python -m src_training table" in capsys.readouterr().err.splitlines()[-1]


def test_an_unknown_system_is_refused(drawn_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = drawn_run.recipe
    words = ["figures", "--data", str(recipe.data), "--out", str(recipe.out), "--systems", "ddmd", "vnet"]
    assert main(words) == 2

    assert "system 'vnet' does not exist" in capsys.readouterr().err


def test_absent_systems_are_said(drawn_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    held_out_patients(drawn_run)

    assert "fold1: not trained, left out: unet, segnet" in capsys.readouterr().err


def test_one_fold_or_all(drawn_run: Run) -> None:
    alone = held_out_patients(Run(replace(drawn_run.recipe, fold="0")))
    every = held_out_patients(Run(replace(drawn_run.recipe, fold="final")))

    assert {patient.split.name for patient in alone} == {"fold0"}
    assert len(every) == 4, "the final model holds nobody out, so that the folds are shown"


def test_every_figure_is_drawn_and_nothing_else_changes(
    drawn_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def state() -> dict[Path, int]:
        files = (path for path in drawn_run.root.rglob("*") if path.is_file())
        return {path: path.stat().st_mtime_ns for path in files if "figures" not in path.parts}

    def short(run: Run, patients: list[Patient]) -> list[Path]:
        return steps_curve(run, patients, steps=[1], samplers=["ddim"], at_most=1)

    def way(run: Run, patients: list[Patient]) -> list[Path]:
        return fig5_denoising(run, patients, steps=2)

    before = state()
    monkeypatch.setattr(stage, "FIGURES", (*stage.FIGURES[:2], way, cross_fitting, short))
    figures(drawn_run)

    names = ("fig3_systems", "fig4_scores", "fig4_scores_height_matched", "fig5_denoising", "cross_fitting")
    for name in (*names, "steps_curve"):
        for kind in ("png", "svg", "json"):
            assert (drawn_run.root / "figures" / f"{name}.{kind}").stat().st_size > 0
    assert state() == before
    assert str(drawn_run.root / "figures" / "fig3_systems.png") in capsys.readouterr().err
