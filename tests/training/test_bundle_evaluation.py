"""A published model is judged on patients that it has not seen, and against its own card."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import find_cases
from napari_ddmd.model import load_bundle
from napari_ddmd.model.bundle import save_bundle
from src_training import bundle_evaluation as module
from src_training.__main__ import main
from src_training.bundle_evaluation import compared_with_card
from src_training.metrics import METRICS

from .conftest import PATIENTS, write_patient


@pytest.fixture
def model(tiny_out: Path, tmp_path: Path) -> Path:
    """A copy of the model that has not seen the patients of fold 0."""
    return shutil.copytree(tiny_out / "fold0" / "bundle", tmp_path / "model")


def judge(model: Path, data: Path, out: Path, *more: str) -> int:
    return main(["evaluate", "--bundle", str(model), "--data", str(data), "--out", str(out), "--device", "cpu", *more])


def test_it_reproduces_the_figures_of_its_card(
    model: Path, cohort: Path, tiny_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = load_bundle(model).provenance["held_out_cases"]
    assert judge(model, cohort, tmp_path / "judged") == 0
    said = capsys.readouterr().err
    found = json.loads((tmp_path / "judged" / "metrics.json").read_text())["systems"]["ddmd"]
    known = json.loads((tiny_out / "metrics.json").read_text())["systems"]["ddmd"]

    dice = known["dice_volume"]["per_patient"]
    mean = sum(dice[name] for name in held_out) / len(held_out)
    assert f"compact: mean volume Dice {mean:.3f} over {len(held_out)} patients" in said
    assert f"figures of {len(held_out)} patients against the card of compact: the same to the last digit" in said
    assert f"was trained on {len(PATIENTS) - len(held_out)} of these patients, which are left out" in said
    for metric in METRICS:
        for patient in held_out:
            assert found[metric]["per_patient"][patient] == known[metric]["per_patient"][patient]
    card = (model / "README.md").read_text()
    assert "Figures of these very weights" in card
    assert all(f"| {patient} |" in card for patient in held_out)


def test_a_difference_from_the_card_is_said(model: Path) -> None:
    bundle = load_bundle(model)
    (entry,) = bundle.provenance["evaluations"]
    patients = json.loads(json.dumps(entry["patients"]))
    patients[0]["values"]["dice_volume"] += 0.25

    assert f"largest difference 0.25 (dice_volume of {patients[0]['case']})" in compared_with_card(bundle, patients, 0)
    assert "has no figures of these patients" in compared_with_card(bundle, patients, 1), "another seed, other masks"


def test_what_it_finds_becomes_part_of_the_card(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_patient(tmp_path / "new" / "Newcomer", 9)
    before = load_bundle(model)
    assert judge(model, tmp_path / "new", tmp_path / "judged", "--record") == 0
    after = load_bundle(model)

    assert after.sha256 == before.sha256
    assert after.provenance["evaluations"][:-1] == before.provenance["evaluations"]
    assert [patient["case"] for patient in after.provenance["evaluations"][-1]["patients"]] == ["Newcomer"]
    assert "| Newcomer |" in (model / "README.md").read_text()
    assert judge(model, tmp_path / "new", tmp_path / "again", "--record", "--json") == 0
    said = capsys.readouterr()
    assert "the same to the last digit" in said.err
    assert json.loads(said.out)["patients"] == 1
    assert len(load_bundle(model).provenance["evaluations"]) == len(after.provenance["evaluations"])


def test_cases_at_fault_are_all_named_before_anything_is_judged(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, seen = tmp_path / "data", load_bundle(model).provenance["training_cases"][0]
    for name in ("NoT2", "Good", "NoFlair", seen):
        write_patient(data / name, 9)
    for name, kind in (("NoT2", "t2"), ("NoFlair", "flair"), (seen, "t1")):
        (data / name / f"{name}_{kind}.nii.gz").unlink()
    write_patient(data / "Unlabelled", 9, mask=False)
    monkeypatch.setattr(module, "evaluate_case", None)

    assert judge(model, data, tmp_path / "judged") == 2
    unlabelled, *said = capsys.readouterr().err.splitlines()
    assert unlabelled == "Unlabelled: no mask, left out"
    assert [line.split(";")[0] for line in said] == [
        f"src_training: {data / 'NoFlair'}: no image for flair",
        f"src_training: {data / 'NoT2'}: no image for t2",
        "src_training: 2 cases are at fault",
    ]
    assert said[-1].endswith("or move the case out of the data folder")


def test_a_case_that_breaks_in_the_reading_costs_the_others_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("A", "B", "C"):
        write_patient(tmp_path / "data" / name, 9)
    for name in ("A", "B"):
        broken = tmp_path / "data" / name / f"{name}_t2.nii.gz"
        broken.write_bytes(broken.read_bytes()[:-200])

    assert judge(model, tmp_path / "data", tmp_path / "judged") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("src_training: ")]
    assert [f"{name}_t2.nii.gz: " in line for name, line in zip("AB", said, strict=False)] == [True, True]
    assert said[2:] == [
        "src_training: 2 cases are at fault; mend each as its line says "
        "(the figures of the others are kept; the same command goes on)"
    ]
    assert [path.name for path in (tmp_path / "judged" / "evaluation").iterdir()] == ["C.json"]
    for name in ("A", "B"):
        shutil.rmtree(tmp_path / "data" / name)
    before = (tmp_path / "judged" / "evaluation" / "C.json").stat().st_mtime_ns
    assert judge(model, tmp_path / "data", tmp_path / "judged") == 0
    assert (tmp_path / "judged" / "evaluation" / "C.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("case", ["a training", "nobody", "no model", "one name twice"])
def test_refusals(
    case: str, model: Path, cohort: Path, tiny_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data, expected = tmp_path / "judged", cohort, "no such model"
    if case == "a training":
        out, expected = tiny_copy, "holds a training; choose another --out"
    elif case == "nobody":
        name = load_bundle(model).provenance["training_cases"][0]
        shutil.copytree(cohort / name, tmp_path / "seen" / name)
        data, expected = tmp_path / "seen", "has no labelled case that compact has not been trained on"
    elif case == "one name twice":
        name = load_bundle(model).provenance["held_out_cases"][0]
        for group in ("HGG", "LGG"):
            shutil.copytree(cohort / name, tmp_path / "data" / group / name)
        data, expected = tmp_path / "data", f"LGG/{name}: has the same name as {tmp_path}/data/HGG/{name}; rename"
    else:
        model = tmp_path / "missing"
    before = (tiny_copy / "recipe.json").read_bytes()

    assert judge(model, data, out) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert (tiny_copy / "recipe.json").read_bytes() == before


@pytest.mark.fault("Hostile model")
@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": []},
        {"recipe": {"slices": 3}},
        {"recipe": {"slices": {"first_slice": "a"}}},
        {"training_cases": 7},
        {"training_cases": [{}]},
        {"evaluations": {"patients": []}},
        {"evaluations": ["a"]},
        {"evaluations": [{"seed": 0, "patients": [{"case": "a"}]}]},
        {"evaluations": [{"seed": 0, "patients": [{"case": 1, "values": {}}]}]},
        {"evaluations": [{"seed": 0, "patients": [{"case": "a", "values": {"dice_volume": "high"}}]}]},
        {"evaluations": [{"seed": 0, "patients": []}]},
        {"evaluations": [{"patients": [{"case": "a", "values": {}}]}]},
        {"system": {}},
    ],
    ids=str,
)
def test_a_model_with_a_strange_past_is_refused(
    changed: dict[str, Any], model: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(model)
    save_bundle(tmp_path / "strange", replace(bundle, provenance=bundle.provenance | changed))
    assert judge(tmp_path / "strange", cohort, tmp_path / "judged") == 2
    assert "does not say as it should how it was made" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.fault("Hostile model")
@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": {}},
        {"cross_validation": {"ddmd": {}}},
        {"evaluations": [{"seed": 0, "patients": [{"case": "a", "values": {}}]}]},
    ],
    ids=str,
)
def test_a_model_without_a_card_is_refused_before_it_is_judged(
    changed: dict[str, Any],
    model: Path,
    cohort: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = load_bundle(model)
    save_bundle(tmp_path / "bare", replace(bundle, provenance=bundle.provenance | changed))
    assert judge(tmp_path / "bare", cohort, tmp_path / "judged") == 0
    monkeypatch.setattr(module, "evaluate_case", None)  # nobody may be judged
    assert judge(tmp_path / "bare", cohort, tmp_path / "again", "--record") == 2
    assert "leave --record out" in capsys.readouterr().err.splitlines()[-1]


def test_a_second_time_point_of_a_patient_who_was_trained_on_is_left_out(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(model)
    save_bundle(model, replace(bundle, provenance=bundle.provenance | {"training_cases": ["BraTS-GLI-00000-000"]}))
    write_patient(tmp_path / "data" / "BraTS-GLI-00000-001", 3)
    assert judge(model, tmp_path / "data", tmp_path / "judged") == 2
    assert "has no labelled case that compact has not been trained on" in capsys.readouterr().err.splitlines()[-1]
    write_patient(tmp_path / "data" / "BraTS-GLI-00001-001", 4)
    assert judge(model, tmp_path / "data", tmp_path / "judged") == 0
    assert "was trained on 1 of these patients, which are left out" in capsys.readouterr().err
    figures = json.loads((tmp_path / "judged" / "metrics.json").read_text())["systems"]["ddmd"]
    assert set(figures["dice_volume"]["per_patient"]) == {"BraTS-GLI-00001-001"}


def test_figures_that_are_cut_off_leave_a_model_and_its_card(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_patient(tmp_path / "new" / "Newcomer", 9)
    assert judge(model, tmp_path / "new", tmp_path / "judged", "--record", "--pictures") == 0
    (model / ".saving-left").mkdir()

    def die(*_: object) -> None:
        assert not (model / ".saving-left").exists(), "what was left is removed first"
        assert (model / "failures.png").exists(), "the card there still shows it"
        raise KeyboardInterrupt

    before = (model / "README.md").read_bytes()
    monkeypatch.setattr(module, "save_bundle", die)
    assert judge(model, tmp_path / "new", tmp_path / "judged", "--record") == 130
    assert (model / "README.md").read_bytes() == before
    assert "a save was cut off here" in capsys.readouterr().err
    load_bundle(model)


def test_recording_needs_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--out", str(tmp_path / "run"), "--record"]) == 2
    assert "record needs --bundle" in capsys.readouterr().err


def test_a_picture_needs_a_card(model: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(model, cohort, tmp_path / "judged", "--pictures") == 2
    assert "pictures needs --record" in capsys.readouterr().err


def test_the_card_shows_failures_only_where_asked(model: Path, tmp_path: Path) -> None:
    write_patient(tmp_path / "new" / "Newcomer", 9)
    assert judge(model, tmp_path / "new", tmp_path / "judged", "--record") == 0
    drawn = tmp_path / "judged" / "figures" / "failures.png"
    assert drawn.exists()
    assert not (model / "failures.png").exists()
    assert "failures.png" not in (model / "README.md").read_text()

    assert judge(model, tmp_path / "new", tmp_path / "judged", "--record", "--pictures") == 0
    assert (model / "failures.png").read_bytes() == drawn.read_bytes()
    assert "](failures.png)" in (model / "README.md").read_text()
    load_bundle(model)

    write_patient(tmp_path / "newer" / "Latecomer", 10)
    assert judge(model, tmp_path / "newer", tmp_path / "later", "--record") == 0
    card = (model / "README.md").read_text()
    assert "](failures.png)" in card, "the picture stays with the figures of its patients"
    assert card.index("| Newcomer |") < card.index("](failures.png)") < card.index("| Latecomer |")

    assert judge(model, tmp_path / "newer", tmp_path / "later", "--record", "--pictures") == 0
    card = (model / "README.md").read_text()
    assert card.count("](failures.png)") == 1, "there is one picture"
    assert card.index("| Latecomer |") < card.index("](failures.png)")

    assert judge(model, tmp_path / "newer", tmp_path / "later", "--record") == 0
    assert "failures.png" not in (model / "README.md").read_text()
    assert not (model / "failures.png").exists(), "the figures that it showed were taken anew"


def test_a_patient_judged_before_failures_were_kept_is_judged_again(model: Path, tmp_path: Path) -> None:
    write_patient(tmp_path / "new" / "Newcomer", 9)
    assert judge(model, tmp_path / "new", tmp_path / "judged") == 0
    path = tmp_path / "judged" / "evaluation" / "Newcomer.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in before.items() if key != "worst_slices"}))

    assert judge(model, tmp_path / "new", tmp_path / "judged") == 0
    assert json.loads(path.read_text())["worst_slices"] == before["worst_slices"]


def test_patients_under_other_names_are_left_out_by_their_lesions(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = load_bundle(model)
    assert bundle.provenance["lesions"].keys() == set(PATIENTS[:2])
    data = tmp_path / "data"
    write_patient(data / "BraTS-GLI-00001-000", PATIENTS.index(PATIENTS[1]))
    write_patient(data / "Healthy", 8)
    mask = data / "Healthy" / "Healthy_seg.nii.gz"
    image = nibabel.load(mask)
    nibabel.save(nibabel.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), mask)
    write_patient(data / "New", 9)
    write_patient(data / "BraTS-GLI-00001-001", 7)  # the same patient at another time

    assert judge(model, data, tmp_path / "judged") == 0
    said = capsys.readouterr().err
    assert (
        "compact was trained on 1 of these patients under other names, as their lesions tell (BraTS-GLI-00001-000, "
        "BraTS-GLI-00001-001); "
        "they are left out" in said
    )
    assert {path.stem for path in (tmp_path / "judged" / "evaluation").iterdir()} == {"Healthy", "New"}
    shutil.rmtree(data / "New")
    shutil.rmtree(data / "Healthy")
    assert judge(model, data, tmp_path / "again") == 2
    assert "has no labelled case that compact has not been trained on" in capsys.readouterr().err

    for lesions in ({}, None, {PATIENTS[1]: 5}):  # of earlier versions, or by anybody
        save_bundle(model, replace(bundle, provenance=bundle.provenance | {"lesions": lesions}))
        assert module._renamed(load_bundle(model), list(find_cases(data))) == []
