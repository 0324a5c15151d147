"""Fig 3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.results import SliceResult
from src_training.figures.side_by_side import fig3_systems
from src_training.figures.trained import Patient
from src_training.run import Run


def test_each_mask_has_its_slices_dice(
    drawn_run: Run, patients: list[Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def results(_: Patient, system: str, case: Case, slices: Sequence[int]) -> Iterator[SliceResult]:
        assert case.mask is not None
        for index in slices:
            found = case.mask[index] > 0 if system == "ddmd" else np.zeros(case.images.shape[2:])
            yield SliceResult.of(index, found[None].astype(np.float32))

    monkeypatch.setattr(Patient, "results", results)
    both = [replace(patient, systems=("unet", "ddmd")) for patient in patients[:2]] + patients[2:]
    run = Run(replace(drawn_run.recipe, systems=("unet", "cimd", "ddmd")))
    picture, drawing, numbers = fig3_systems(run, both)

    found = json.loads(numbers.read_text())
    assert [entry["case"] for entry in found["slices"]] == [patient.name for patient in patients[:3]]
    assert [entry["dice"] for entry in found["slices"]] == [{"unet": 0, "ddmd": 1}] * 2 + [{"unet": None, "ddmd": 1}]
    assert picture.read_bytes().startswith(b"\x89PNG")
    said = drawing.read_text(encoding="utf-8")
    assert "not trained" in said
    assert "CIMD" not in said, "no patient of the picture has a CIMD"


def test_the_same_run_gives_the_same_files(drawn_run: Run, patients: list[Patient]) -> None:
    first = [path.read_bytes() for path in fig3_systems(drawn_run, patients, slices=1)]

    assert [path.read_bytes() for path in fig3_systems(drawn_run, patients, slices=1)] == first
