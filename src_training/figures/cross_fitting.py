"""Why training maps are computed out of fold: scores in sample, cross-fitted, and of held-out patients."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from src_training.autoencoders import has_ensembles, load_ensembles
from src_training.dataset import Slices
from src_training.diffusion import model_settings
from src_training.figures.drawing import ABNORMAL, HEALTHY, TEXT, THIRD, counted, new_figure, save_figure
from src_training.figures.scores import KINDS, brain_means, maps_of
from src_training.figures.trained import Patient
from src_training.files import read_array
from src_training.run import Run, Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "cross_fitting"
GROUPS = {
    "in_sample": "training patients, in sample",
    "cross_fitted": "training patients, cross-fitted",
    "held_out": "held-out patients",
}
COLOURS = {"in_sample": ABNORMAL, "cross_fitted": HEALTHY, "held_out": THIRD}
LABELS = ("healthy", "abnormal")

Scores = dict[str, dict[str, dict[str, NDArray[np.float64]]]]
"""``{kind: {label: {group: scores of slices}}}``."""


def cross_fitting(run: Run, patients: list[Patient], *, every: int = 4) -> list[Path]:
    """Draw the scores of patients whom the autoencoders have seen, and of those whom they have not.

    Parameters
    ----------
    run
        Where to write.
    patients
        Held out; the splits that hold them out are looked at.
    every
        Of the slices of the store, each patient's every so many counts.

    Returns
    -------
    list of Path
        What was written; nothing where the run's training maps are in sample, or ensembles are missing.
    """
    from matplotlib.patches import Patch

    if run.recipe.start_from is not None:
        print(f"{NAME}: this run has the autoencoders of a model and none of its own; left out", file=sys.stderr)
        return []
    if not run.recipe.discrepancies.out_of_fold:
        print(f"{NAME}: the training maps of this run are in sample, nothing to compare; left out", file=sys.stderr)
        return []
    splits, parts = {patient.split.name: patient.split for patient in patients}, []
    for split in splits.values():
        if has_ensembles(split, split.training_cases) and (split.folder / "maps" / "summary.json").exists():
            model_settings(split)  # refuses maps of other settings
            parts.append(split_scores(split, every))
        else:
            print(f"{NAME}: {split.name} has no autoencoders or maps; 'baseline ddmd' makes them", file=sys.stderr)
    if not parts:
        print(f"{NAME}: left out", file=sys.stderr)
        return []
    scores = {
        kind: {
            label: {group: np.concatenate([part[kind][label][group] for part in parts]) for group in GROUPS}
            for label in LABELS
        }
        for kind in KINDS
    }
    counts = {
        label: {group: len(scores["inter"][label][group]) for group in ("in_sample", "held_out")} for label in LABELS
    }
    told = "; ".join(
        f"{label}: {counted(found['in_sample'], 'slice')} in training, {found['held_out']:,} held out"
        for label, found in counts.items()
    )
    figure = new_figure(
        4.4,
        "Discrepancy scores of patients that the autoencoders have seen, and have not",
        f"""Mean of the map over the brain, every {every}th slice of each patient, {counted(len(parts), "fold")},
        {counted(len({p.name for p in patients}), "held-out patient")}; a patient is in training in several folds
        ({told}). In sample: by the autoencoders that were trained on the patient. Cross-fitted: by those trained
        without the patient's fold, as the denoiser's training has it. Box: quartiles and median; whiskers: 5th and
        95th percentile. ×: median in units of the in-sample median.""",
    )
    axes = figure.subplots(1, len(KINDS), squeeze=False)[0]
    for axis, kind in zip(axes, KINDS, strict=True):
        _boxes(axis, scores[kind], kind)
    handles = [Patch(facecolor=COLOURS[group], alpha=0.6, edgecolor="black", label=GROUPS[group]) for group in GROUPS]
    axes[0].set_ylabel("score (intensities are 0 to 1)", fontsize=TEXT)
    axes[0].legend(handles=handles, loc="lower left", fontsize=TEXT, frameon=False)
    numbers = {
        "every": every,
        "splits": len(parts),
        "slices": counts,
        "scores": {kind: {label: medians(scores[kind][label]) for label in LABELS} for kind in KINDS},
    }
    return save_figure(run, NAME, figure, numbers)


def split_scores(split: Split, every: int) -> Scores:
    """Scores of one split's slices by kind, label and group."""
    ensembles = load_ensembles(split, split.training_cases)
    found: dict[str, list[tuple[NDArray[np.float64], NDArray[np.bool_]]]] = {group: [] for group in GROUPS}
    for name in (*split.training_cases, *split.test_cases):
        slices = Slices.of(split, [name])
        rows = np.arange(0, len(slices.rows), every)
        images, abnormal = slices.image(rows), slices.unhealthy[rows]
        maps = maps_of(slices, rows, ensembles, split.run)
        scores = brain_means(torch.stack([maps.inter, maps.intra], dim=1), images)
        if name in split.test_cases:
            found["held_out"].append((scores, abnormal))
            continue
        found["in_sample"].append((scores, abnormal))
        # What the denoiser learns from: of the ensembles that have not seen the patient's fold.
        path = split.folder / "maps" / f"{name}.npy"
        stored = read_array(path, remedy=f"delete {path.parent} and run the stage 'discrepancies' again")
        found["cross_fitted"].append((brain_means(torch.from_numpy(stored[rows]).float(), images), abnormal))
    return {
        kind: {
            label: {
                group: np.concatenate([scores[abnormal == sick, column] for scores, abnormal in parts])
                for group, parts in found.items()
            }
            for label, sick in zip(LABELS, (False, True), strict=True)
        }
        for column, kind in enumerate(KINDS)
    }


def medians(groups: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Quartiles of each group, and the ratios of the medians: None where a group is empty or its median is 0."""
    quartiles = {
        group: np.quantile(values, (0.25, 0.5, 0.75)).tolist() for group, values in groups.items() if len(values)
    }

    def ratio(one: str, other: str) -> float | None:
        if one not in quartiles or other not in quartiles or quartiles[other][1] == 0:
            return None
        return float(quartiles[one][1] / quartiles[other][1])

    return {
        "quartiles": quartiles,
        "cross_fitted_to_in_sample": ratio("cross_fitted", "in_sample"),
        "held_out_to_in_sample": ratio("held_out", "in_sample"),
        "held_out_to_cross_fitted": ratio("held_out", "cross_fitted"),
    }


def _boxes(axis: Axes, scores: dict[str, dict[str, NDArray[np.float64]]], kind: str) -> None:
    """Three boxes for each label, side by side."""
    for block, label in enumerate(LABELS):
        known = medians(scores[label])
        for place, group in enumerate(GROUPS):
            values, x = scores[label][group], block * 4 + place
            if not len(values):
                continue
            drawn = axis.boxplot(
                [values],
                positions=[x],
                widths=0.7,
                whis=(5, 95),
                showfliers=False,
                patch_artist=True,
                medianprops={"color": "black"},
            )
            drawn["boxes"][0].set(facecolor=COLOURS[group], alpha=0.6)
            ratio = known.get(f"{group}_to_in_sample")
            if ratio is not None:
                top = float(np.quantile(values, 0.95))
                axis.annotate(f"×{ratio:.2f}", (x, top), (0, 3), textcoords="offset points", ha="center", fontsize=TEXT)
    axis.set_title(f"{kind} score", fontsize=TEXT + 1)
    axis.set_xticks([1, 5], [f"{label} slices" for label in LABELS], fontsize=TEXT + 1)
    axis.set_xlim(-0.6, 6.6)
    axis.set_ylim(0, 1.12 * axis.dataLim.ymax)  # room for the ratios
    axis.tick_params(axis="x", length=0)
    axis.tick_params(axis="y", labelsize=TEXT)
