"""Fig 4: how far the discrepancy scores tell abnormal slices from healthy ones."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.case import MODALITIES
from src_training import metrics
from src_training.autoencoders import has_ensembles, load_ensembles
from src_training.figures.drawing import ABNORMAL, HEALTHY, TEXT, TITLES, counted, new_figure, save_figure
from src_training.figures.scores import (
    KINDS,
    WHOLE,
    ScoredSlices,
    height_matched,
    histograms,
    join_slices,
    normalised,
    overlap,
    score_patient,
)
from src_training.figures.trained import Patient
from src_training.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "fig4_scores"
BINS = 25
TOLERANCE_MM = 5.0


def fig4_scores(run: Run, patients: list[Patient]) -> list[Path]:
    """Draw Fig 4, and once more with healthy and abnormal slices of the same heights.

    Lesion-free slices lie near the top and the bottom of the brain, so that a score that knows the height alone seems
    to know the lesion. The second figure has as many healthy as abnormal slices, in pairs of about the same height.

    Parameters
    ----------
    run
        Where to write.
    patients
        Held out. Their maps come from the ensembles of the split that has not seen them.

    Returns
    -------
    list of Path
        What was written; nothing where no split has its ensembles.
    """
    scored, splits = [], {patient.split.name: patient.split for patient in patients}
    for split in splits.values():
        if not has_ensembles(split, split.training_cases):
            print(f"{NAME}: {split.name} has no autoencoders; 'baseline ddmd' trains them", file=sys.stderr)
            continue
        ensembles = load_ensembles(split, split.training_cases)
        scored += [score_patient(split, name, ensembles) for name in split.test_cases]
    if not scored:
        print(f"{NAME}: left out", file=sys.stderr)
        return []
    slices = join_slices(scored)
    found, folds = counted(slices.patients, "held-out patient"), counted(len(set(slices.folds)), "fold")
    whose = "those of the model that the run started from" if run.recipe.start_from else "each with its own"
    common = f"""of {found}, by autoencoders that have not seen them ({folds}, {whose}). A score is the mean of a map
        over the window; scores are normalised to [0, 1] over all slices of a panel, bars are shares of a kind's slices
        in {BINS} bins. Overlap: area that the two histograms share. AUROC: 0.5 is chance, 1 tells all slices apart."""
    written = draw_scores(
        run, NAME, "Discrepancy scores of healthy and abnormal slices", f"{_numbers(slices)} {common}", slices
    )
    rows = height_matched(slices.heights, slices.abnormal, tolerance=TOLERANCE_MM, seed=run.recipe.seed)
    if not rows.size:
        print(f"{NAME}_height_matched: no two slices have about the same height; left out", file=sys.stderr)
        return written
    matched = slices.only(rows)
    title = "Discrepancy scores among slices of the same height"
    caption = f"""{_numbers(matched)}, drawn in pairs (one of each kind, within {TOLERANCE_MM:g} mm of height along
        the files' z axis, no slice twice; over all patients), {common}"""
    return written + draw_scores(run, f"{NAME}_height_matched", title, caption, matched)


def draw_scores(run: Run, name: str, title: str, caption: str, slices: ScoredSlices) -> list[Path]:
    """Histograms of each kind of score, of each modality alone and of all, with their numbers."""
    columns = (*MODALITIES, WHOLE)
    figure = new_figure(5.0, title, caption)
    axes = figure.subplots(len(KINDS), len(columns), sharex=True, sharey="row", squeeze=False)
    numbers: dict[str, Any] = {
        "patients": slices.patients,
        "healthy": int((~slices.abnormal).sum()),
        "abnormal": int(slices.abnormal.sum()),
        "bins": BINS,
    }
    for row, kind in enumerate(KINDS):
        numbers[kind] = {}
        for column, key in enumerate(columns):
            axis = axes[row][column]
            panel = panel_numbers(slices, kind, key)
            numbers[kind][key] = panel
            _bars(axis, panel)
            heading = f"{kind}, {TITLES.get(key, 'all modalities')}"
            axis.set_title(
                f"{heading}\noverlap {_said(panel['overlap'])}, AUROC {_said(panel['auroc'])}", fontsize=TEXT
            )
            axis.tick_params(labelsize=TEXT)
        axes[row][0].set_ylabel("share of slices", fontsize=TEXT)
    for axis in axes[-1]:
        axis.set_xlabel("normalised score", fontsize=TEXT)
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=2, fontsize=TEXT, frameon=False)
    return save_figure(run, name, figure, numbers)


def panel_numbers(slices: ScoredSlices, kind: str, key: str) -> dict[str, Any]:
    """Overlap, AUROC and histograms of one score; what is not defined is None."""
    scores = normalised(slices.scores[kind][key])
    healthy, abnormal = histograms(scores, slices.abnormal, BINS)
    figures = {
        "overlap": overlap(healthy, abnormal),
        "auroc": metrics.auroc(scores, slices.abnormal),
        "auroc_height_matched": metrics.height_matched_auroc(scores, slices.abnormal, slices.heights, TOLERANCE_MM),
    }
    parts = {fold: slices.folds == fold for fold in dict.fromkeys(slices.folds.tolist())}
    per_fold = {fold: metrics.auroc(scores[rows], slices.abnormal[rows]) for fold, rows in parts.items()}
    known: dict[str, Any] = {name: None if math.isnan(value) else value for name, value in figures.items()}
    known["auroc_per_fold"] = {fold: None if math.isnan(value) else value for fold, value in per_fold.items()}
    return known | {"healthy": healthy.tolist(), "abnormal": abnormal.tolist()}


def _bars(axis: Axes, panel: dict[str, Any]) -> None:
    edges = np.linspace(0, 1, BINS + 1)
    axis.stairs(panel["healthy"], edges, fill=True, color=HEALTHY, alpha=0.45, label="healthy")
    axis.stairs(panel["abnormal"], edges, color=ABNORMAL, linewidth=1.4, label="abnormal")
    axis.set_xlim(0, 1)


def _numbers(slices: ScoredSlices) -> str:
    healthy, abnormal = int((~slices.abnormal).sum()), int(slices.abnormal.sum())
    return f"{counted(healthy, 'healthy slice')} and {counted(abnormal, 'abnormal slice')}"


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
