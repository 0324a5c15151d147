"""The worst slices of judged patients."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_ddmd.case import Case, load_case
from napari_ddmd.cut import Cut
from napari_ddmd.model import Bundle, load_bundle
from napari_ddmd.segment import segment
from napari_ddmd.volumes import Volumes
from src_training.evaluate import evaluate_case
from src_training.figures.failures import _worst, failures
from src_training.recipe import Recipe
from src_training.run import Run


def test_the_largest_errors_come_first_one_a_patient() -> None:
    patients = [
        {
            "case": name,
            "worst_slices": {"missed": {"slice": 7, "area_mm2": area}, "false": {"slice": 3, "area_mm2": 0.0}},
        }
        for name, area in (("a", 5.0), ("b", 90.0), ("c", 0.0), ("d", 30.0), ("e", 40.0))
    ]
    assert [entry["case"] for entry in _worst(patients, "missed")] == ["b", "e", "d"]
    assert [entry["slice"] for entry in _worst(patients[:1], "missed")] == [7]
    assert _worst(patients, "false") == []


def volumes_of(case: Case, bundle: Bundle) -> Volumes:
    volumes = Volumes(
        case, bundle.settings.sampling.samples, inter=True, intra=True, cut=Cut.of(bundle.settings.sampling)
    )
    for result in segment(case, bundle, seed=0, device="cpu"):
        volumes.add(result)
    return volumes


def test_the_areas_are_those_of_the_slices_that_are_drawn(cohort: Path, tiny_out: Path, tmp_path: Path) -> None:
    bundle = load_bundle(tiny_out / "fold0" / "bundle")
    case = load_case(cohort / bundle.provenance["held_out_cases"][0])
    assert case.mask is not None
    threshold = float(np.quantile(volumes_of(case, bundle).probability[case.brain], 0.9))  # falls into many parts
    sampling = replace(bundle.settings.sampling, threshold=threshold, min_part=0.5)
    bundle = replace(bundle, settings=replace(bundle.settings, sampling=sampling))
    figures = evaluate_case(case, bundle, device="cpu")
    run = Run(Recipe(out=tmp_path))

    def load(name: str) -> Case:
        assert name == case.name
        return case

    drawn = failures(run, bundle, [figures], load, device="cpu")

    assert [path.name for path in drawn] == ["failures.png", "failures.svg", "failures.json"]
    numbers = json.loads(drawn[-1].read_text())
    volumes = volumes_of(case, bundle)
    mask = volumes.mask().astype(bool)
    assert 0 < mask.sum() < np.count_nonzero(volumes.probability > threshold), "some parts are left out"
    for kind in ("missed", "false"):
        for entry in numbers["slices"][kind]:
            found, lesion = mask[entry["slice"]], case.mask[entry["slice"]] > 0
            wrong = lesion & ~found if kind == "missed" else found & ~lesion
            assert np.isclose(entry["area_mm2"], wrong.sum() * case.spacing[1] * case.spacing[2])
    assert numbers["slices"]["missed"] or numbers["slices"]["false"]
    assert failures(run, bundle, [figures], load, device="cpu")[0].read_bytes() == drawn[0].read_bytes()


def test_a_model_without_errors_has_no_picture(tiny_out: Path, tmp_path: Path) -> None:
    bundle = load_bundle(tiny_out / "fold0" / "bundle")
    none = {"slice": 3, "area_mm2": 0.0}
    patients = [{"case": "flawless", "worst_slices": {"missed": none, "false": none}}]
    assert failures(Run(Recipe(out=tmp_path)), bundle, patients, load_case) == []
    assert list(tmp_path.iterdir()) == []
