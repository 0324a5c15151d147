"""Every figure of one patient, on masks made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import Case, load_case
from napari_ddmd.model.settings import SamplingSettings
from napari_ddmd.results import SliceResult
from napari_ddmd.segment import brain_slices
from src_training.metrics import METRICS
from src_training.patient import judged_slices, patient_figures
from tests.results import slice_result

from .conftest import PATIENTS

ALL_PARTS = SamplingSettings(min_part=0.0)
OVERLAP = ("dice_volume", "dice_slice_all", "dice_pooled", "iou_foreground")


@pytest.fixture(scope="module")
def case(cohort: Path) -> Case:
    return load_case(cohort / PATIENTS[0])


def figures(
    case: Case, lesion: NDArray[np.bool_], found: NDArray[np.bool_], slices: list[int] | None = None
) -> dict[str, Any]:
    """What is said of a case whose expert drew ``lesion``, by a system that is sure of ``found``."""
    judged = brain_slices(case) if slices is None else slices
    results = [SliceResult.of(index, found[index][None].astype(np.float32)) for index in judged]
    labelled = replace(case, mask=lesion.astype(np.uint8))
    return patient_figures(labelled, results, judged, ALL_PARTS, samples=1, has_maps=False)


def pixel(case: Case, slice_index: int, step: int = 0) -> NDArray[np.bool_]:
    """A mask of one voxel inside the brain."""
    mask = np.zeros_like(case.brain)
    row, column = np.argwhere(case.brain[slice_index])[len(np.argwhere(case.brain[slice_index])) // 2]
    mask[slice_index, row, column + step] = True
    return mask


def test_mean_and_single_masks_are_cut_and_cleaned_alike(case: Case) -> None:
    index = brain_slices(case)[3]
    sure, edge, doubtful = (pixel(case, index, step) for step in (-4, -3, 4))
    soft = np.where(sure, 0.9, np.where(edge | doubtful, 0.4, 0)).astype(np.float32)
    results = [SliceResult.of(one, np.stack([soft[one]] * 2)) for one in brain_slices(case)]
    sampling = SamplingSettings(threshold=0.3, min_peak=0.5, min_part=0.0)
    labelled = replace(case, mask=(sure | edge).astype(np.uint8))
    values = patient_figures(labelled, results, brain_slices(case), sampling, samples=2, has_maps=False)["values"]
    assert values["dice_volume"] == values["dice_volume_one_sample"] == 1
    assert values["dice_volume_all_parts"] == pytest.approx(4 / 5)


def test_empty_against_empty(case: Case) -> None:
    nothing = np.zeros_like(case.brain)
    values = figures(case, nothing, nothing)["values"]

    assert {values[name] for name in OVERLAP} == {1.0}
    assert values["miou"] == values["pixel_accuracy"] == values["class_accuracy"] == 1
    assert values["healthy_fp_rate"] == values["ece"] == values["volume_ml"] == 0
    assert values["dice_slice"] is values["hd95"] is values["slice_auroc"] is None
    json.dumps(values, allow_nan=False)


def test_one_pixel_that_is_found(case: Case) -> None:
    one = pixel(case, brain_slices(case)[3])
    found = figures(case, one, one)

    assert {found["values"][name] for name in (*OVERLAP, "dice_slice", "slice_auroc")} == {1.0}
    assert found["values"]["hd95"] == found["values"]["healthy_fp_rate"] == 0
    assert found["slices"] == {"lesion": 1, "healthy": len(brain_slices(case)) - 1}
    assert found["confusion"]["true_positive"] == 1


def test_one_pixel_beside_the_one_that_is_there(case: Case) -> None:
    index = brain_slices(case)[3]
    values = figures(case, pixel(case, index), pixel(case, index, 2))["values"]

    assert values["dice_volume"] == values["dice_slice"] == values["iou_foreground"] == 0
    assert values["hd95"] == pytest.approx(2 * case.spacing[2])
    assert values["dice_slice_all"] == pytest.approx(1 - 1 / len(brain_slices(case)))
    assert values["healthy_fp_rate"] == 0


def test_one_pixel_against_nothing(case: Case) -> None:
    nothing, one = np.zeros_like(case.brain), pixel(case, brain_slices(case)[3])
    missed, invented = figures(case, one, nothing)["values"], figures(case, nothing, one)["values"]

    assert missed["dice_volume"] == invented["dice_volume"] == 0
    assert missed["hd95"] is invented["hd95"] is None
    assert missed["dice_slice"] == 0
    assert invented["dice_slice"] is None
    assert missed["healthy_fp_rate"] == 0
    assert invented["healthy_fp_rate"] == pytest.approx(1 / len(brain_slices(case)))
    assert missed["class_accuracy"] == 0.5
    assert missed["ece"] == pytest.approx(1 / case.brain[brain_slices(case)].sum())


def test_all_full(case: Case) -> None:
    full = np.ones_like(case.brain)
    values = figures(case, full, full)["values"]

    assert {values[name] for name in (*OVERLAP, "dice_slice", "miou", "class_accuracy")} == {1.0}
    assert values["healthy_fp_rate"] is values["slice_auroc"] is None
    assert values["hd95"] == 0


def test_every_fixed_figure_is_there(case: Case) -> None:
    one = pixel(case, brain_slices(case)[3])

    assert set(METRICS) <= set(figures(case, one, one)["values"])


def test_what_lies_outside_the_band_counts_for_nothing(case: Case) -> None:
    slices = brain_slices(case)
    band = judged_slices(case, slices[2], slices[4])
    assert band == slices[2:5]
    missed_outside = pixel(case, slices[3]) | pixel(case, slices[0])
    found = figures(case, missed_outside, pixel(case, slices[3]), band)

    assert found["values"]["dice_volume"] == 1
    assert found["slices"] == {"lesion": 1, "healthy": 2}
    assert sum(found["confusion"].values()) == 3 * case.brain[0].size


def test_a_band_without_brain_is_refused(case: Case) -> None:
    nothing = np.zeros_like(case.brain)
    with pytest.raises(ValueError, match="no slice of the band holds brain"):
        figures(case, nothing, nothing, judged_slices(case, 900, 901))


def test_the_worst_slices_are_those_with_the_largest_wrong_area(case: Case) -> None:
    lesion, found = np.zeros_like(case.brain), np.zeros_like(case.brain)
    judged = brain_slices(case)[1:]
    first, second, third = judged[1], judged[2], judged[3]
    lesion |= pixel(case, first)
    lesion |= pixel(case, second) | pixel(case, second, 1)
    found |= pixel(case, third) | pixel(case, third, 1) | pixel(case, third, 2) | pixel(case, first, 1)
    voxel_mm2 = case.spacing[1] * case.spacing[2]

    assert judged[0] > 0
    assert figures(case, lesion, found, judged)["worst_slices"] == {
        "missed": {"slice": second, "area_mm2": pytest.approx(2 * voxel_mm2)},
        "false": {"slice": third, "area_mm2": pytest.approx(3 * voxel_mm2)},
    }
    assert figures(case, lesion, lesion, judged)["worst_slices"]["missed"]["area_mm2"] == 0


@pytest.mark.parametrize("has_intra", [True, False])
def test_a_map_that_the_model_does_not_make_has_no_figure(case: Case, has_intra: bool) -> None:
    assert case.mask is not None
    judged = brain_slices(case)
    results = [slice_result(case, index, intra=has_intra) for index in judged]
    values = patient_figures(case, results, judged, ALL_PARTS, samples=3, has_maps=True)["values"]
    assert values["inter_pixel_auroc"] is not None
    assert (values["intra_pixel_auroc"] is None) is not has_intra
