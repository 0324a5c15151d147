"""Judged patients are found where their files are by now, and judged again once these hold something else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_ddmd.case import find_case_files, load_case
from src_training import evaluate as evaluate_module
from src_training.cases import FaultyCasesError
from src_training.evaluate import evaluate
from src_training.figures.trained import Patient
from src_training.judged import case_files, case_hash, judge_each, kept_or_made
from src_training.recipe import RecipeError
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe, write_patient


@pytest.fixture
def moved(cohort: Path, tmp_path: Path) -> Path:
    """The cohort at another place, in groups."""
    for number, name in enumerate(PATIENTS):
        shutil.copytree(cohort / name, tmp_path / "moved" / f"group{number % 2}" / name)
    return tmp_path / "moved"


def test_cases_are_found_under_the_folder_that_is_given(tiny_run: Run, moved: Path) -> None:
    run = Run(replace(tiny_run.recipe, data=moved))
    found = case_files(run, PATIENTS)
    assert list(found) == list(PATIENTS)
    assert found[PATIENTS[1]] == find_case_files(moved / "group1" / PATIENTS[1])
    assert Patient(PATIENTS[1], run.split("0"), ()).load().files == found[PATIENTS[1]]


@pytest.mark.parametrize("data", ["gone", "twice"])
def test_else_they_are_where_they_were(data: str, tiny_run: Run, cohort: Path, tmp_path: Path) -> None:
    if data == "twice":
        for group in ("a", "b"):
            shutil.copytree(cohort / PATIENTS[0], tmp_path / data / group / PATIENTS[0])
    found = case_files(Run(replace(tiny_run.recipe, data=tmp_path / data)), PATIENTS[:1])
    assert found == {PATIENTS[0]: find_case_files(cohort / PATIENTS[0])}


def test_a_case_that_is_nowhere_is_named(tiny_copy: Path, cohort: Path, tmp_path: Path) -> None:
    run = Run(tiny_recipe(tmp_path / "empty", tiny_copy))
    run.index_path.write_text(run.index_path.read_text().replace(str(cohort), str(tmp_path / "old")))
    with pytest.raises(
        RecipeError, match=rf"^{PATIENTS[0]}: is neither in [^\n]*empty nor in [^\n]*old[^\n]*--data[^\n]*$"
    ):
        case_files(run, PATIENTS)


def test_all_held_out_patients_at_fault_are_named_before_one_is_judged(
    tiny_run: Run, cohort: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(cohort, tmp_path / "data")
    for name in PATIENTS[:2]:
        (data / name / f"{name}_t2.nii.gz").unlink()
    run = Run(replace(tiny_run.recipe, data=data))
    files = case_files(run, PATIENTS)
    judged: list[str] = []

    def judge(name: str) -> dict[str, Any]:
        judged.append(name)
        return {}

    with pytest.raises(FaultyCasesError) as caught:
        judge_each(files, tmp_path, {}, judge, title="evaluate")
    assert [line.split(";")[0] for line in caught.value.lines] == [
        f"{data / PATIENTS[0]}: no image for t2",
        f"{data / PATIENTS[1]}: no image for t2",
        "2 cases are at fault",
    ]
    assert judged == []
    for name in PATIENTS[:2]:
        shutil.copy(data / name / f"{name}_t1.nii.gz", data / name / "again_t1.nii.gz")
    with pytest.raises(FaultyCasesError, match=r"2 cases are at fault; mend each as its line says$"):
        case_files(run, PATIENTS)


def test_images_and_mask_make_the_hash(cohort: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(cohort / PATIENTS[0], tmp_path / PATIENTS[0])
    before = case_hash(find_case_files(copy))
    assert before == case_hash(find_case_files(cohort / PATIENTS[0]))
    found = {before}
    for kind in ("seg", "t2"):
        shutil.copy(cohort / PATIENTS[1] / f"{PATIENTS[1]}_{kind}.nii.gz", copy / f"{PATIENTS[0]}_{kind}.nii.gz")
        found.add(case_hash(find_case_files(copy)))
    assert len(found) == 3


def test_figures_are_kept_as_long_as_they_hold(tmp_path: Path) -> None:
    path, folder = tmp_path / "figures.json", write_patient(tmp_path / "Patient", 1)
    judged: list[int] = []

    def judge(made_with: dict[str, Any], needs: tuple[str, ...] = ()) -> int:
        def make() -> dict[str, Any]:
            judged.append(1)
            return {"dice": len(judged)}

        dice: int = kept_or_made(path, find_case_files(folder), made_with, make, needs=needs)["dice"]
        return dice

    assert [judge({"seed": 0}), judge({"seed": 0}), judge({"seed": 1}), judge({"seed": 1})] == [1, 1, 2, 2]
    shutil.copy(next(folder.glob("*_t1.nii.gz")), next(folder.glob("*_seg.nii.gz")))
    assert [judge({"seed": 1}), judge({"seed": 1})] == [3, 3], "another mask"
    assert judge({"seed": 1}, needs=("worst",)) == 4
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in kept.items() if key != "data"}))
    assert judge({"seed": 1}) == 4, "earlier versions did not say of which images they are"
    path.write_text(path.read_text()[:9])
    with pytest.raises(RecipeError, match=r"figures\.json: is damaged .*; delete it and give the same command again$"):
        judge({"seed": 1})


def test_a_patient_with_another_mask_is_judged_again(
    moved: Path, tiny_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def judge(case: Any, *_: object, **__: object) -> dict[str, Any]:
        judged.append(case.name)
        return json.loads((tiny_copy / "fold0" / "evaluation" / f"{case.name}.json").read_text())

    monkeypatch.setattr(evaluate_module, "evaluate_case", judge)
    run = Run(tiny_recipe(moved, tiny_copy, "--fold", "0"))
    evaluate(run)
    assert judged == [], "the same content at another place"
    case = run.splits()[0].test_cases[0]
    other = next(name for name in PATIENTS if name != case)
    masks = {name: load_case(files).files.mask for name, files in case_files(run, (case, other)).items()}
    shutil.copy(str(masks[other]), str(masks[case]))
    evaluate(run)
    assert judged == [case]
