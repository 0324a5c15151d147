"""Figures as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADINGS = {
    "dice_volume": "volume Dice",
    "dice_slice": "Dice, lesion slices",
    "dice_slice_all": "Dice, all slices",
    "hd95": "HD95 mm",
    "healthy_fp_rate": "false lesion on healthy slices",
    "slice_auroc": "slice AUROC",
    "slice_auroc_height_matched": "height-matched",
    "ece": "ECE",
    "dice_volume_one_sample": "Dice, one sample",
    "dice_volume_all_parts": "Dice, all parts kept",
    "healthy_fp_rate_all_parts": "false lesion, all parts kept",
    "error_auroc": "AUROC of the uncertainty for errors",
    "sample_spread": "1 - Dice between samples",
    "sample_error": "1 - Dice, samples to expert",
    "inter_auroc": "AUROC of the inter score",
    "inter_pixel_auroc": "AUROC of the inter map's voxels",
    "intra_pixel_auroc": "AUROC of the intra map's voxels",
    "volume_ml": "found mL",
    "expert_volume_ml": "expert mL",
}
POOLED = ("dice_pooled", "iou_foreground", "miou", "pixel_accuracy", "class_accuracy")


def markdown_table(summary: dict[str, Any]) -> str:
    """One row a patient, then mean, standard deviation and bootstrap interval, for each system."""
    parts = []
    for system, figures in summary["systems"].items():
        keys = [key for key in HEADINGS if key in figures]
        rows = [
            ["patient", *(HEADINGS[key] for key in keys)],
            ["---", *("---:" for _ in keys)],
        ]
        for patient in sorted(figures["dice_volume"]["per_patient"]):
            rows.append([patient, *(_text(key, figures[key]["per_patient"][patient]) for key in keys)])
        rows.append(["**mean**", *(_text(key, figures[key]["mean"]) + known_of(figures[key]) for key in keys)])
        rows.append(["sd", *(_text(key, figures[key]["std"]) for key in keys)])
        rows.append(
            [
                "95 % interval of the mean",
                *(" to ".join(_text(key, end) for end in figures[key].get("interval", [])) for key in keys),
            ]
        )
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        pooled = ", ".join(f"{key} {figures[key]['pooled']:.4f}" for key in POOLED)
        parts.append(f"## {system}\n\n{table}\n\nOver all pixels of the brain slices together: {pooled}.\n")
    return "\n".join(parts)


def known_of(figure: Mapping[str, Any]) -> str:
    """Say of how many patients a figure is, where some have none, as a distance to nothing; else nothing."""
    patients = figure.get("per_patient", {}).values()
    known = sum(value is not None for value in patients)
    return f" ({known} of {len(patients)} patients)" if 0 < known < len(patients) else ""


def _text(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if key in ("hd95", "volume_ml", "expert_volume_ml") else f"{value:.3f}"
