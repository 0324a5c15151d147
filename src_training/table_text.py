"""Table 1 as text: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from src_training.metrics import METRICS, bootstrap_interval
from src_training.report import known_of

Figures = dict[str, Any]

PAPER_LIKE = {"dice": "Dice %", "miou": "mIoU %", "pa": "PA %"}
HEADINGS = {
    "dice_volume": "volume Dice",
    "dice_slice": "Dice, lesion slices",
    "dice_slice_all": "Dice, all slices",
    "dice_pooled": "pooled Dice",
    "iou_foreground": "IoU",
    "hd95": "HD95 mm",
    "healthy_fp_rate": "false lesion, healthy slices",
    "slice_auroc": "slice AUROC",
    "ece": "ECE",
    "seconds": "s / patient",
}


def markdown_pages(summary: Figures) -> str:
    """All tables: the paper-like triple, plainly defined figures, every patient, differences and budget."""
    systems = list(summary["systems"])
    folds = sorted({fold for per_fold in summary["paper_like"].values() for fold in per_fold})
    parts = [
        f"# Comparison of {len(systems)} systems\n\n"
        f"{summary['patients']} patients, {len(folds)} folds by patient; each patient is judged by a model that "
        "has not seen the patient. Unless said otherwise: mean ± standard deviation over folds.",
        "## Paper-like (inferred)\n\nDice: mean over the slices with lesion. mIoU: mean of foreground and background "
        "IoU. PA: mean class accuracy. The latter two over all pixels of a fold together.\n\n"
        + _table(["system", *PAPER_LIKE.values()], (_paper_like_row(summary, name) for name in systems)),
        "## Plainly defined\n\n" + _table(["system", *HEADINGS.values()], (_row(summary, name) for name in systems)),
        "## Volume Dice of every patient\n\n"
        + _table(["patient", *(_name(summary, name) for name in systems)], _patients(summary, "dice_volume"))
        + "\n\nThe interval is a 95 % bootstrap interval of the mean over patients.",
    ]
    differences = list(_differences(summary))
    if differences:
        parts.append(
            "## Against the tuned U-Net\n\nDifference of volume Dice, patient by patient.\n\n"
            + _table(["system", "mean difference", "95 % interval", "patients that gain"], differences)
        )
    if summary.get("budget"):
        headings = ["system", "parameters M", "iterations", "slices a step", "rate", "pixels", "minutes a fold"]
        parts.append("## Budget\n\n" + _table(headings, (_budget_row(summary, name) for name in systems)))
    return "\n\n".join(parts) + "\n"


def csv_table(summary: Figures) -> str:
    """One row for each system, figure and patient; fractions, millimetres and seconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["system", "metric", "patient", "value"])
    for name, figures in summary["systems"].items():
        for metric in [*METRICS, "seconds"]:
            for patient, value in sorted(figures.get(metric, {}).get("per_patient", {}).items()):
                writer.writerow([name, metric, patient, "" if value is None else f"{value:.6g}"])
    return text.getvalue()


def _table(headings: list[str], rows: Iterable[list[str]]) -> str:
    lines = [headings, ["---", *("---:" for _ in headings[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(values: Iterable[float | None], text: Callable[[float], str]) -> str:
    """Mean ± standard deviation of the folds where the figure is defined."""
    known = np.array([value for value in values if value is not None], float)
    if not known.size:
        return "–"
    spread = f" ± {text(float(known.std(ddof=1)))}" if known.size > 1 else ""
    return f"{text(float(known.mean()))}{spread}"


def _paper_like_row(summary: Figures, name: str) -> list[str]:
    folds = summary["paper_like"][name].values()
    cells = [_spread((fold[key] for fold in folds), lambda value: f"{100 * value:.2f}") for key in PAPER_LIKE]
    return [_name(summary, name), *cells]


def _name(summary: Figures, name: str) -> str:
    """A system, and of how many patients its figures are where others have more: their means are of others then."""
    judged, patients = len(summary["systems"][name]["dice_volume"]["per_patient"]), summary["patients"]
    return name if judged == patients else f"{name} ({judged} of {patients} patients)"


def _row(summary: Figures, name: str) -> list[str]:
    figures = summary["systems"][name]
    cells = []
    for key in HEADINGS:
        digits = 1 if key in ("hd95", "seconds") else 3
        per_fold = figures[key].get("per_fold", {}).values()
        cell = _spread(per_fold, lambda value, digits=digits: f"{value:.{digits}f}")  # type: ignore[misc]
        cells.append(cell + known_of(figures[key]))
    return [_name(summary, name), *cells]


def _patients(summary: Figures, metric: str) -> Iterable[list[str]]:
    columns = [figures[metric] for figures in summary["systems"].values()]
    patients = sorted({patient for column in columns for patient in column["per_patient"]})
    for patient in patients:
        yield [patient, *(_three(column["per_patient"].get(patient)) for column in columns)]
    yield ["**mean**", *(_three(column["mean"]) for column in columns)]
    yield ["sd over patients", *(_three(column["std"]) for column in columns)]
    yield ["interval", *(" to ".join(map(_three, column.get("interval", []))) for column in columns)]


def _differences(summary: Figures) -> Iterable[list[str]]:
    yardstick = summary["systems"].get("unet-tuned")
    if yardstick is None:
        return
    base = yardstick["dice_volume"]["per_patient"]
    for name, figures in summary["systems"].items():
        own = figures["dice_volume"]["per_patient"]
        pairs = [(own[p], base[p]) for p in sorted(own.keys() & base.keys()) if None not in (own[p], base[p])]
        if name == "unet-tuned" or not pairs:
            continue
        gains = np.array([mine - other for mine, other in pairs])
        low, high = bootstrap_interval(gains)
        yield [name, f"{gains.mean():+.3f}", f"{low:+.3f} to {high:+.3f}", f"{int((gains > 0).sum())} of {len(gains)}"]


def _budget_row(summary: Figures, name: str) -> list[str]:
    given = summary["budget"][name]
    parameters = "–" if given["parameters"] is None else f"{given['parameters'] / 1e6:.2f}"
    return [
        name,
        parameters,
        str(given["iterations"] or "–"),
        str(given["batch_size"]),
        f"{given['learning_rate']:g}",
        str(given["size"]),
        _spread(given["minutes"], lambda value: f"{value:.1f}"),
    ]


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
