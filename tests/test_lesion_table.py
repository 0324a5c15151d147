from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.lesion_table import COLUMNS, lesion_csv, write_lesion_table
from napari_ddmd.model import Bundle
from napari_ddmd.saveable import ModelFacts, Saveable

from .results import finished


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def content(case: Case, bundle: Bundle, **more: Any) -> Saveable:
    volumes = finished(case)
    settings = {
        "model": ModelFacts.of(bundle),
        "threshold": 0.5,
        "is_models": True,
        "settings": {"min_peak": 0.6},
        **more,
    }
    return Saveable(case=case, mask=volumes.mask(), volumes=volumes, **settings)


def test_slices_and_voxels_are_those_of_the_files(small_case: Case, tiny_bundle: Bundle, tmp_path: Path) -> None:
    (row,) = read(write_lesion_table(tmp_path / "a.csv", content(small_case, tiny_bundle)))
    assert tuple(row) == COLUMNS
    assert (row["case"], row["lesion"], row["threshold"], row["edited_by_hand"]) == ("Small_001", "1", "0.5", "no")
    assert row["min_peak"] == "0.6"
    assert row["model"] == f"{tiny_bundle.name} {tiny_bundle.version}"
    assert small_case.mask is not None
    # The file's third axis runs downwards.
    axial = np.flatnonzero(small_case.mask.any(axis=(1, 2)))
    assert (int(row["first_slice"]), int(row["last_slice"])) == (7 - axial[-1], 7 - axial[0])
    assert [row[f"centroid_{axis}_voxel"] for axis in "ijk"] == ["7", "17", "4"]
    assert row["diameter_slice"] == "4"
    assert float(row["volume_ml"]) == pytest.approx(np.count_nonzero(small_case.mask) * 0.012)
    # Nine voxels of 2 mm across.
    assert float(row["longest_axial_diameter_mm"]) == pytest.approx(18, abs=0.5)
    assert float(row["mean_uncertainty_bits"]) == 0.25
    assert float(row["inter_score_t2"]) == pytest.approx(axial.mean() + 20)


def test_an_edit_is_told(small_case: Case, tiny_bundle: Bundle, tmp_path: Path) -> None:
    (row,) = read(write_lesion_table(tmp_path / "a.csv", content(small_case, tiny_bundle, edited_slices=(3,))))
    assert (row["edited_by_hand"], row["accepted"]) == ("yes", "no")


def test_an_accepted_mask_is_told(small_case: Case, tiny_bundle: Bundle, tmp_path: Path) -> None:
    when = "2026-05-03T10:05:07+02:00"
    (row,) = read(write_lesion_table(tmp_path / "a.csv", content(small_case, tiny_bundle, accepted=when)))
    assert row["accepted"] == when


def test_a_drawn_mask_has_no_model(small_case: Case, tiny_bundle: Bundle, tmp_path: Path) -> None:
    (row,) = read(write_lesion_table(tmp_path / "a.csv", content(small_case, tiny_bundle, is_models=False)))
    assert (row["model"], row["threshold"], row["min_peak"], row["edited_by_hand"]) == ("", "", "", "yes")
    assert row["mean_probability"] != ""
    alone = Saveable(case=small_case, mask=finished(small_case).mask())
    (row,) = read(write_lesion_table(tmp_path / "b.csv", alone))
    assert (row["mean_probability"], row["mean_uncertainty_bits"], row["inter_score_t1"]) == ("", "", "")


def test_no_lesion_leaves_the_head_alone(small_case: Case) -> None:
    empty = Saveable(case=small_case, mask=np.zeros(small_case.grid.shape, np.uint8))
    assert lesion_csv(empty) == ",".join(COLUMNS) + "\r\n"
