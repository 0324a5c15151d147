"""Folds by patient: whole patients, full folds, and lists that are checked."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_ddmd.case import find_cases
from napari_ddmd.model import load_bundle
from src_training.folds import (
    PACKAGED_FOLDS,
    assign_folds,
    lesion_hash,
    of_known_patients,
    patient_of,
    told_lesions,
)
from src_training.recipe import RecipeError

PACKAGED = json.loads(PACKAGED_FOLDS.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "patient"),
    [
        ("BraTS-GLI-00001-000", "BraTS-GLI-00001"),
        ("BraTS-GLI-00001-001", "BraTS-GLI-00001"),
        ("brats-met-12345-100", "brats-met-12345"),
        ("BraTS2021_00006", "BraTS2021_00006"),
        ("BraTS20_Training_002", "BraTS20_Training_002"),
        ("Brats18_2013_21_1", "Brats18_2013_21_1"),
    ],
)
def test_the_patient_of_a_case(case: str, patient: str) -> None:
    assert patient_of(case) == patient


@settings(deadline=None, max_examples=60)
@given(
    visits=st.lists(st.integers(1, 4), min_size=2, max_size=25),
    folds=st.integers(2, 6),
    seed=st.integers(0, 2**31 - 1),
)
def test_patients_stay_whole_and_folds_are_full(visits: list[int], folds: int, seed: int) -> None:
    names = [f"BraTS-GLI-{patient:05d}-{visit:03d}" for patient, count in enumerate(visits) for visit in range(count)]
    assigned = assign_folds(names, folds=folds, seed=seed)

    assert list(assigned) == names
    of_patient: dict[str, set[int]] = {}
    for name, fold in assigned.items():
        of_patient.setdefault(patient_of(name), set()).add(fold)
    assert all(len(found) == 1 for found in of_patient.values())
    sizes = [sum(found == {fold} for found in of_patient.values()) for fold in range(min(folds, len(visits)))]
    assert sum(sizes) == len(visits)
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def test_the_order_of_the_names_does_not_matter_but_the_seed_does() -> None:
    names = [f"case{number}" for number in range(12)]

    first = assign_folds(names, folds=4, seed=0)
    assert assign_folds(names[::-1], folds=4, seed=0) == first
    assert assign_folds(names, folds=4, seed=1) != first


def test_packaged_folds_are_used_where_they_fit() -> None:
    assert assign_folds(list(PACKAGED), folds=5, seed=3) == PACKAGED
    sizes = [list(PACKAGED.values()).count(fold) for fold in range(5)]
    assert sizes == [3] * 5


def test_packaged_folds_give_way_to_other_cases_and_numbers() -> None:
    known = list(PACKAGED)

    assert set(assign_folds(known, folds=3, seed=0).values()) == {0, 1, 2}
    assert set(assign_folds([*known, "another"], folds=5, seed=0)) == {*known, "another"}
    of_one_fold = [name for name, fold in PACKAGED.items() if fold == 0]
    assert set(assign_folds(of_one_fold, folds=5, seed=0).values()) == {0, 1, 2}


def test_a_fold_file_decides(tmp_path: Path) -> None:
    file = tmp_path / "folds.json"
    file.write_text(json.dumps({"a": 0, "b": 4, "c": 4, "unused": 1}))

    assert assign_folds(["c", "a", "b"], folds=5, seed=0, fold_file=file) == {"c": 4, "a": 0, "b": 4}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "cannot be read as fold list"),
        ("[" * 200_000, "cannot be read as fold list"),
        ("[0, 1]", "is not a fold list"),
        ('{"BraTS-GLI-00001-000": "0"}', "is not a fold list"),
        ('{"BraTS-GLI-00001-000": -1}', "is not a fold list"),
        ('{"BraTS-GLI-00001-000": 0}', r"has no fold for BraTS-GLI-00001-001 \(2 cases missing\)"),
        (
            '{"BraTS-GLI-00001-000": 0, "BraTS-GLI-00001-001": 1, "b": 1}',
            r"patient BraTS-GLI-00001 is in folds \[0, 1\]",
        ),
        ('{"BraTS-GLI-00001-000": 2, "BraTS-GLI-00001-001": 2, "b": 2}', "puts all cases into one fold"),
    ],
)
def test_a_bad_fold_file_is_named(content: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "folds.json"
    file.write_text(content)

    with pytest.raises(RecipeError, match=rf"folds\.json: {complaint}[^\n]*$"):
        assign_folds(["BraTS-GLI-00001-000", "BraTS-GLI-00001-001", "b"], folds=2, seed=0, fold_file=file)


def test_a_missing_fold_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.json: cannot be read as fold list"):
        assign_folds(["a", "b"], folds=2, seed=0, fold_file=tmp_path / "none.json")


def test_one_patient_is_too_few() -> None:
    with pytest.raises(RecipeError, match="fewer than two patients"):
        assign_folds(["BraTS-GLI-00001-000", "BraTS-GLI-00001-001"], folds=5, seed=0)


def test_a_patient_is_known_by_any_time_point() -> None:
    cases = ["BraTS-GLI-00001-001", "BraTS-GLI-00002-000", "BraTS2021_00001"]

    assert of_known_patients(cases, ["BraTS-GLI-00001-000", "BraTS2021_00002"]) == ["BraTS-GLI-00001-001"]


def test_a_lesion_is_known_by_its_voxels_however_its_file_is_laid_out(tmp_path: Path) -> None:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[1:3, 3, 4:6] = 1
    affine = np.diag([-1.0, -1, 1, 1])

    def hashed(voxels: NDArray[np.uint8], affine: NDArray[np.float64] = affine) -> str | None:
        nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "seg.nii.gz")
        return lesion_hash(tmp_path / "seg.nii.gz")

    known = hashed(labels)
    assert known is not None
    assert hashed(labels * 4) == known, "other labels"
    moved = affine.copy()
    moved[:3, 3] = 0, 239, 5
    assert hashed(labels, moved) == known
    assert hashed(labels[::-1].copy(), np.diag([1.0, -1, 1, 1])) == known
    assert hashed(labels[::-1].copy()) != known
    assert hashed(np.pad(labels, ((0, 0), (0, 0), (0, 8)))) != known, "another shape"
    assert hashed(np.zeros_like(labels)) is None
    assert of_known_patients(["a", "b", "c"], ["d"], {"a": known, "b": None, "d": known}) == ["a"]
    assert of_known_patients(["a", "b"], ["d"], {"a": None, "d": None}) == []


def test_the_shipped_model_knows_its_patients_by_their_lesions(real_cases: Path) -> None:
    provenance = load_bundle("compact").provenance
    files = {case.name: case for case in find_cases(real_cases)}
    for name in provenance["training_cases"]:
        mask = files[name].mask
        assert mask is not None
        assert told_lesions(provenance)[name] == lesion_hash(mask)


def test_cases_with_one_lesion_are_of_one_patient_at_any_time_point() -> None:
    gli = ["BraTS-GLI-00001-000", "BraTS-GLI-00001-001"]
    lesions = dict(zip([*gli, "b", "c", "d", "e"], ["1", "2", "2", "3", None, None], strict=True))
    for seed in range(20):
        assigned = assign_folds(list(lesions), folds=4, seed=seed, lesions=lesions)
        assert assigned[gli[0]] == assigned[gli[1]] == assigned["b"]
        assert set(assigned.values()) == {0, 1, 2, 3}
        names = [*gli, "c", "d", "e"]
        assert assign_folds(names, folds=4, seed=seed, lesions=lesions) == assign_folds(names, folds=4, seed=seed)
    names = ["BraTS-GLI-00001-000", "brats-gli-00001-001", "x", "y"]
    for seed in range(20):
        assigned = assign_folds(names, folds=2, seed=seed)
        assert assigned[names[0]] == assigned[names[1]], "in whatever letters"
    assert len(set(assign_folds(list("abcd"), folds=4, seed=0, lesions=dict.fromkeys("ab", "1")).values())) == 3
    with pytest.raises(RecipeError, match="fewer than two patients"):
        assign_folds(list("abc"), folds=2, seed=0, lesions={"a": "1", "b": "1", "c": "1"})
