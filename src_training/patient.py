"""Every figure of one patient, on the patient's own grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import Case, CaseError
from napari_ddmd.cut import Cut
from napari_ddmd.model.settings import SamplingSettings
from napari_ddmd.results import SliceResult
from napari_ddmd.segment import brain_slices
from napari_ddmd.volumes import Volumes
from src_training import metrics


def judged_slices(case: Case, first: int, last: int) -> list[int]:
    """Slices that hold brain, from the first to the last of the band that was learned from."""
    return [index for index in brain_slices(case) if first <= index <= last]


def patient_figures(
    case: Case,
    results: Iterable[SliceResult],
    slices: Sequence[int],
    sampling: SamplingSettings,
    *,
    samples: int,
    has_maps: bool,
) -> dict[str, Any]:
    """Compare what a system says of a patient with the expert's mask.

    Parameters
    ----------
    case
        With a mask.
    results
        One for each of the slices.
    slices
        Axial slices that are judged; what lies in others counts for nothing.
    sampling
        Threshold, and which parts are left out.
    samples
        Masks in each result.
    has_maps
        Whether the results carry discrepancy maps and scores.

    Returns
    -------
    dict
        ``values`` (an undefined figure is None), ``confusion``, ``slices``, numbers of slices of either kind, the
        counts behind the curves: ``uncertainty``, voxels and errors by it, and ``calibration``, by probability; and
        ``worst_slices``, those with the largest area missed and found in error.

    Raises
    ------
    CaseError
        If the case has no mask, or no slice is to be judged.
    """
    if case.mask is None:
        raise CaseError(f"{case.name}: has no expert mask to be compared with; put it back beside the images")
    if not len(slices):
        raise CaseError(f"{case.name}: no slice of the band holds brain; leave the case out or widen the band")
    volumes = Volumes(case, samples, inter=has_maps, intra=has_maps, cut=Cut.of(sampling))
    first = np.zeros(case.grid.shape, np.float32)
    for result in results:
        volumes.add(result)
        first[result.index] = result.samples[0]
    rows = np.asarray(slices)
    predicted, lesion = volumes.mask().astype(bool)[rows], (case.mask > 0)[rows]
    probability, brain = volumes.probability[rows], case.brain[rows]
    every = np.arange(len(rows))
    labels = lesion.any(axis=(1, 2))
    scores = probability.sum(axis=(1, 2))
    confusion = metrics.Confusion.of(predicted, lesion)
    dices = metrics.slice_dices(predicted, lesion, every)
    single = volumes.cut_out(first)[rows]
    uncleaned = probability > sampling.threshold
    voxel_ml = math.prod(case.spacing) / 1000
    values = {
        "dice_volume": metrics.dice(predicted, lesion),
        "dice_slice": float(dices[labels].mean()) if labels.any() else float("nan"),
        "dice_slice_all": float(dices.mean()),
        "dice_pooled": confusion.dice,
        "iou_foreground": confusion.iou_foreground,
        "miou": confusion.miou,
        "pixel_accuracy": confusion.pixel_accuracy,
        "class_accuracy": confusion.class_accuracy,
        "hd95": metrics.hd95(predicted, lesion, case.spacing),
        "healthy_fp_rate": metrics.healthy_false_positive_rate(predicted, lesion, every),
        "slice_auroc": metrics.auroc(scores, labels),
        "ece": metrics.expected_calibration_error(probability, lesion, brain),
        "slice_auroc_height_matched": metrics.height_matched_auroc(scores, labels, rows * case.spacing[0]),
        "dice_volume_one_sample": metrics.dice(single, lesion),
        "dice_volume_all_parts": metrics.dice(uncleaned, lesion),
        "healthy_fp_rate_all_parts": metrics.healthy_false_positive_rate(uncleaned, lesion, every),
        "volume_ml": float(predicted.sum() * voxel_ml),
        "expert_volume_ml": float(lesion.sum() * voxel_ml),
    }
    voxels, errors = metrics.errors_by_uncertainty(volumes.uncertainty[rows], predicted != lesion, brain)
    values["error_auroc"] = metrics.error_detection_auroc(voxels, errors)
    values["sample_spread"], values["sample_error"] = metrics.sample_spread(volumes.samples[:, rows], lesion)
    if has_maps:
        inter = np.array([volumes.scores[index].inter for index in slices])
        values["inter_auroc"] = metrics.auroc(inter, labels)
        values["inter_pixel_auroc"] = _map_auroc(volumes.inter, rows, lesion, brain)
        has_intra = all(volumes.scores[index].intra is not None for index in slices)
        values["intra_pixel_auroc"] = _map_auroc(volumes.intra if has_intra else None, rows, lesion, brain)
    return {
        "case": case.name,
        "values": {key: None if math.isnan(value) else value for key, value in values.items()},
        "confusion": vars(confusion),
        "slices": {"lesion": int(labels.sum()), "healthy": int((~labels).sum())},
        "uncertainty": {"voxels": voxels.tolist(), "errors": errors.tolist()},
        "calibration": metrics.calibration(probability, lesion, brain),
        "worst_slices": {
            "missed": _largest(lesion & ~predicted, rows, case),
            "false": _largest(predicted & ~lesion, rows, case),
        },
    }


def _largest(wrong: metrics.Mask, rows: NDArray[np.intp], case: Case) -> dict[str, Any]:
    """The slice with the largest wrong area, and that area in mm²."""
    counts = wrong.sum(axis=(1, 2))
    place = int(counts.argmax())
    return {"slice": int(rows[place]), "area_mm2": float(counts[place] * case.spacing[1] * case.spacing[2])}


def _map_auroc(
    volume: NDArray[np.float32] | None, rows: NDArray[np.intp], lesion: metrics.Mask, brain: metrics.Mask
) -> float:
    """How well a discrepancy map alone tells the lesion's voxels from the rest of the brain."""
    return float("nan") if volume is None else metrics.auroc(volume[rows][brain], lesion[brain])
