from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic import ValidationError

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.model import DiscrepancyScores
from napari_ddmd.viewer.run_settings import Recipe
from napari_ddmd.viewer.session.capture import Snapshot
from napari_ddmd.viewer.session.stored import SESSION, Session, StoredResults, StoredScores, arrays_of, mask_key
from napari_ddmd.viewer.session.stored_case import StoredCase
from tests.viewer.session.conftest import DONE, SHA

ROWS = ((-2.0, 0.0, 0.0, 40.0), (0.0, 2.0, 0.0, -30.0), (0.0, 0.0, -3.0, 20.0), (0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def stored_case() -> StoredCase:
    files = [
        {"modality": m, "relative": f"{m}.nii", "absolute": f"/c/{m}.nii", "sha256": SHA} for m in ("t1", "t1ce", "t2")
    ]
    return StoredCase("Small_001", (24, 28, 8), ROWS, None, (), tuple(files), None, True)  # type: ignore[arg-type]


@pytest.fixture
def session(snapshot: Snapshot, stored_case: StoredCase) -> Session:
    return Session("napari-ddmd session", 1, "0.1", stored_case, **snapshot.parts)


def test_json_brings_a_session_back(session: Session) -> None:
    assert SESSION.validate_json(SESSION.dump_json(session), strict=True) == session


def test_all_of_a_recipe_is_stored() -> None:
    own = {field.name for field in dataclasses.fields(Recipe)} - {"case", "cut"}
    cut = {field.name for field in dataclasses.fields(Cut)} - {"threshold"} | {"own_threshold"}
    assert own | cut <= {field.name for field in dataclasses.fields(StoredResults)}


def test_all_of_the_scores_is_stored() -> None:
    own = {field.name for field in dataclasses.fields(DiscrepancyScores)}
    assert own == {field.name for field in dataclasses.fields(StoredScores)} - {"slice"}


def test_arrays_follow_from_what_is_said(session: Session, case: Case) -> None:
    kinds = arrays_of(session)
    shape = case.grid.shape
    assert kinds["probability"].shape == (len(DONE), *shape[1:])
    assert kinds["samples"].shape == (3, len(DONE), *shape[1:])
    assert kinds["written"].shape == kinds["expert"].shape == shape
    assert kinds["mask 0"].dtypes == ("int32",)
    assert "images" not in kinds
    results = dataclasses.replace(session.results, has_inter=False)  # type: ignore[type-var]
    fewer = arrays_of(dataclasses.replace(session, results=results, has_lesion=False, masks=()))
    assert set(fewer) == {"expert", "probability", "uncertainty", "intra", "samples"}
    assert set(arrays_of(dataclasses.replace(session, results=None, masks=()))) == {"expert", "lesion", "written"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"samples": 0}, "greater than or equal to 1"),
        ({"done": (3, 3)}, "must ascend"),
        ({"done": (2, 3)}, "of a slice that is not done"),
        ({"sample": 3}, "not so many"),
        ({"evened": ("t1", "t1")}, "a modality twice"),
        ({"evened": ("pet",)}, "evened"),
        ({"min_part": float("nan")}, "min_part"),
        ({"model_sha256": "../.."}, "model_sha256"),
        ({"limits": {"lesions": 1}}, "limits"),
    ],
)
def test_results_that_cannot_be_are_refused(session: Session, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        dataclasses.replace(session.results, **change)  # type: ignore[type-var]


def test_layers_that_are_not_there_are_refused(session: Session) -> None:
    look = {"key": mask_key(1), "name": "", "visible": True, "opacity": 1, "blending": "", "colors": None}
    with pytest.raises(ValidationError, match="a layer that is not there"):
        dataclasses.replace(session, looks=(look,))
    twice = look | {"key": "t1"}
    with pytest.raises(ValidationError, match="or is twice"):
        dataclasses.replace(session, looks=(twice, twice))


def test_cases_that_cannot_be_are_refused(stored_case: StoredCase) -> None:
    for change, reason in (
        ({"images": (stored_case.images[0],) * 2}, "two files for one modality"),
        ({"images": ()}, "header: is not that of a NIfTI file"),
        ({"source_shape": (0, 28, 8)}, "source_shape"),
        ({"source_shape": (100_000, 100_000, 8)}, "which no head is"),
        ({"affine": (ROWS[0], ROWS[0], ROWS[2], ROWS[3])}, "geometry|oblique"),
    ):
        with pytest.raises(ValidationError, match=reason):
            dataclasses.replace(stored_case, **change)
