"""Dice against the strength of what is wrong with the images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src_training.figures.drawing import ABNORMAL, HEALTHY, TEXT, counted, new_figure, save_figure
from src_training.perturbations import PERTURBATIONS
from src_training.run import Run

NAME = "robustness"
CURVES = ("gamma", "blur", "noise", "bias", "thickness")
ALLOWED = 0.03
"""Loss of Dice that a model may have."""


def robustness_curves(run: Run, summary: dict[str, Any]) -> list[Path]:
    """Draw what `summarise_robustness` found: a panel a perturbation, and one for the modalities left out."""
    unchanged, points = summary["unchanged"], summary["perturbations"]
    patients = len(summary["unchanged_per_patient"])
    figure = new_figure(
        5.6,
        "Dice when the images are worse",
        f"""Volume Dice over one slice with brain in {summary["every"]}, one mask a slice, small parts kept, mean over
        {counted(patients, "held-out patient")}. Dashed: the images as they are. Grey: up to three points less.""",
    )
    panels = figure.subplots(2, 3, sharey=True)
    neutral = {"gamma": 1.0, "thickness": 1.0}
    for axis, name in zip(panels.flat, CURVES, strict=False):
        found = sorted([(p["strength"], p["dice"]) for p in points[name]] + [(neutral.get(name, 0.0), unchanged)])
        axis.plot([x for x, _ in found], [y for _, y in found], color=ABNORMAL, marker="o", markersize=5)
        axis.set_xlabel(f"{PERTURBATIONS[name].name}, {PERTURBATIONS[name].unit}", fontsize=TEXT)
    names = [name for name in points if name.startswith("no_")]
    last = panels.flat[len(CURVES)]
    last.bar(range(len(names)), [points[name][0]["dice"] for name in names], color=HEALTHY, width=0.6)
    last.set_xticks(range(len(names)), [PERTURBATIONS[name].name for name in names])
    for axis in panels.flat:
        axis.axhline(unchanged, color="0.35", linestyle="dashed", linewidth=1)
        axis.axhspan(unchanged - ALLOWED, unchanged, color="0.9", zorder=0)
        axis.set_ylim(0, 1)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=TEXT)
    for row in panels:
        row[0].set_ylabel("volume Dice", fontsize=TEXT)
    return save_figure(run, NAME, figure, summary)
