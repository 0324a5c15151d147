"""The dry run: what it counts, and that it leaves nothing behind."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ddmd.case import CaseError
from src_training.costs import Costs
from src_training.dry_run import dry_run
from src_training.prepare import prepare
from src_training.recipe import RecipeError
from src_training.run import Run
from src_training.synthetic_patients import patient_names, seconds_a_patient

from .conftest import tiny_recipe, write_patient

WIDE = ("--slices.min-brain-mm2", "1")
"""Keeps all seven slices with brain of each patient."""


@pytest.fixture(scope="module")
def costs(cohort: Path) -> Costs:
    """Counted and measured once; no test's settings change the networks."""
    return Costs.of(tiny_recipe(cohort, Path("run")), 0.01)


@pytest.fixture(autouse=True)
def _measured_before(costs: Costs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Costs, "of", lambda _recipe, _budget_s: costs)
    monkeypatch.setattr("src_training.dry_run.seconds_a_patient", lambda _run: 10.0)


def row(page: str, label: str) -> str:
    """The text beside a label."""
    found = re.search(rf"^ *{re.escape(label)} {{2,}}(.+)$", page, re.MULTILINE)
    assert found, f"{label!r} is not in\n{page}"
    return found.group(1)


def flops(page: str, label: str) -> float:
    """Operations of a stage."""
    return counted(row(page, label))


def total(page: str) -> float:
    """Operations of all stages: the last line that says "together"."""
    return counted([line for line in page.splitlines() if line.strip().startswith("together")][-1].split(None, 1)[1])


def counted(text: str) -> float:
    number, unit = text.split()[:2]
    return float(number) * {"MFLOP": 1e6, "GFLOP": 1e9}[unit]


def run_dry(data: Path, out: Path, *more: str) -> str:
    return dry_run(tiny_recipe(data, out, *WIDE, *more))


def test_it_counts_without_writing(cohort: Path, tmp_path: Path) -> None:
    page = run_dry(cohort, tmp_path / "run", "--fold", "0")

    assert not (tmp_path / "run").exists()
    assert row(page, "patients") == f"4 with a mask in {cohort}, 3 folds"
    learned, held_out = row(page, "fold0, learned from"), row(page, "fold0, held out")
    numbers = [int(number) for number in re.findall(r"\d+", f"{learned} {held_out}")]
    assert numbers[0] + numbers[3] == 4
    assert numbers[1] + numbers[2] == 7 * numbers[0]
    assert numbers[4] + numbers[5] == numbers[6] == 7 * numbers[3]
    assert row(page, "denoiser (full)").endswith("M parameters")


def test_balanced_sets_are_announced(cohort: Path, tmp_path: Path) -> None:
    page = run_dry(cohort, tmp_path, "--fold", "1", "--slices.balance-sets")
    healthy, unhealthy, one, other = map(int, re.findall(r"\d+", row(page, "fold1, learned from"))[1:])

    assert healthy != unhealthy
    assert one == other == min(healthy, unhealthy)
    assert "balanced" not in row(page, "fold1, held out")


def test_synthetic_slices_double_the_steps_of_the_autoencoders(cohort: Path, tmp_path: Path) -> None:
    def work(*more: str) -> float:
        page = run_dry(cohort, tmp_path, "--pretraining.patients", "2", "--autoencoders.batch-size", "4", *more)
        return flops(page, "autoencoders")

    assert work() == pytest.approx(2 * work("--pretraining.no-autoencoders"), rel=0.1)


def test_masks_that_share_no_first_guess_take_all_evaluations(cohort: Path, tmp_path: Path) -> None:
    page = run_dry(cohort, tmp_path, "--fold", "cv", "--model.sampling.no-shared-guess")

    assert row(page, "evaluate").endswith("28 held-out slices, 2 masks of 2 evaluations each")


def test_the_stages_add_up(cohort: Path, tmp_path: Path) -> None:
    page = run_dry(cohort, tmp_path, "--fold", "cv")

    # Three folds, out of fold: the patients without one fold (3 sets), and those without two (3 more).
    assert row(page, "autoencoders").endswith("6 sets of patients, 2 epochs")
    assert row(page, "discrepancies").endswith(f"{2 * 4 * 7} slices")
    assert row(page, "diffusion").endswith("6 iterations of 4 slices for each of 3 splits")
    assert row(page, "evaluate").endswith("28 held-out slices, 2 masks of 3 evaluations together at most")
    names = ("autoencoders", "discrepancies", "diffusion", "evaluate")
    assert total(page) == pytest.approx(sum(flops(page, name) for name in names), rel=0.02)


def test_nobody_is_judged_in_the_final_training(cohort: Path, tmp_path: Path) -> None:
    page = run_dry(cohort, tmp_path)

    assert "held out" not in page
    assert "evaluate" not in page


def test_a_slice_store_is_read_where_there_is_one(cohort: Path, tiny_out: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_out.rglob("*")}
    recipe = tiny_recipe(cohort, tiny_out, "--fold", "cv")
    stored = dry_run(recipe)
    counted = dry_run(replace(recipe, out=tmp_path / "run"))
    gone = dry_run(replace(recipe, data=tmp_path / "gone"))

    assert {path: path.stat().st_mtime_ns for path in tiny_out.rglob("*")} == before
    for label in ("fold0, learned from", "fold2, held out"):
        assert row(stored, label) == row(counted, label) == row(gone, label)


def test_all_that_is_done_with_synthetic_patients_is_in_the_total(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--pretraining.patients", "6", "--pretraining.iterations", "7", "--pretraining.no-autoencoders")
    plain = run_dry(cohort, tmp_path)
    page = run_dry(cohort, tmp_path, *more, "--workers", "0")

    assert (
        row(page, "synthetic patients")
        == ("          -   1.0 minutes  6 to be made, 10 s each; slices as many as real patients have").strip()
    )
    # Six patients of seven slices; all of them, and those without either of two folds.
    assert row(page, "synthetic autoencoders").endswith("3 sets of patients, 2 epochs")
    assert row(page, "pretrain").endswith("maps of 42 slices, 7 iterations of 4 slices")
    assert total(page) == pytest.approx(
        total(plain) + sum(flops(page, name) for name in ("synthetic autoencoders", "pretrain")), rel=0.02
    )
    monkeypatch.setattr("src_training.dry_run.os.cpu_count", lambda: 4)
    assert "0.3 minutes  6 to be made, 10 s each, 4 side by side" in row(
        run_dry(cohort, tmp_path, *more, "--workers", "9"), "synthetic patients"
    )


def test_synthetic_patients_that_are_made_are_counted_themselves(cohort: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(cohort, tmp_path / "run", *WIDE, "--pretraining.patients", "2")
    synthetic = Run(recipe).synthetic()
    for seed, name in enumerate(("Synthetic_001000", "Synthetic_001001")):
        write_patient(synthetic.recipe.data / name, seed)
    prepare(synthetic)
    page = dry_run(recipe)

    assert "to be made" not in page
    assert row(page, "pretrain").split("maps of ")[1].startswith("14 slices, ")


def test_one_patient_is_made_to_time_it(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def write(folder: Path, seed: int, name: str, **_: object) -> None:
        assert name == folder.name == f"Synthetic_{seed:06d}"
        made.append(write_patient(folder, seed))

    monkeypatch.setattr("src_training.synthetic_patients.write_case", write)
    run = Run(tiny_recipe(cohort, tmp_path / "run", "--pretraining.patients", "3"))
    assert 0 < seconds_a_patient(run) < 60
    assert [folder.name for folder in made] == patient_names(run)[:1]
    assert not made[0].exists()
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_does_not_fit_is_told(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src_training.dry_run.free_memory_mb", lambda _device: 0.01)

    assert row(run_dry(cohort, tmp_path), "does not fit").startswith("give a smaller --diffusion.batch-size")


def test_what_cannot_be_run_is_refused(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="fold '7' does not exist"):
        run_dry(cohort, tmp_path, "--fold", "7")
    with pytest.raises(CaseError, match="no slice between the first and last slice"):
        run_dry(cohort, tmp_path, "--slices.first-slice", "50")
    assert list(tmp_path.iterdir()) == []
