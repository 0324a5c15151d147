"""Fig 3: what each system finds on the same slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_training import metrics
from src_training.figures.drawing import (
    TEXT,
    brain_crop,
    new_figure,
    outline,
    save_figure,
    show,
    show_modalities,
    tint,
    window,
)
from src_training.figures.trained import LABELS, Patient, shown_slices
from src_training.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_ddmd.case import Case

_INPUTS = 5
NAME = "fig3_systems"


def fig3_systems(run: Run, patients: list[Patient], *, slices: int = 3) -> list[Path]:
    """Draw Fig 3: the modalities, the expert's mask, and each system's mask with the slice's Dice.

    Parameters
    ----------
    run
        Where to write.
    patients
        Held out, by name. The first ones with a lesion are shown, each on the slice where it is largest.
    slices
        How many slices are shown.

    Returns
    -------
    list of Path
        What was written; nothing where no patient has a lesion.
    """
    shown = shown_slices(patients, slices)
    if not shown:
        return []
    threshold = run.recipe.model.sampling.threshold
    systems = [name for name in run.recipe.systems if any(name in patient.systems for patient, _, _ in shown)]
    columns = max(_INPUTS + 1, len(systems))
    figure = new_figure(
        2 * len(shown) * (10 / columns + 0.16) + 0.4,
        "The same slices by every system",
        f"""Of the first {len(shown)} held-out patients by name that have a lesion, the slice where it is largest.
        Upper rows: the images and the expert's mask. Lower rows: FLAIR with each system's mask (yellow;
        probability above {threshold:g}, before any part is left out) and the expert's outline (blue, dashed);
        the number is the Dice of this slice. Each system is the one that was trained without the patient.
        Patient's left is on the right.""",
    )
    axes = figure.subplots(2 * len(shown), columns, squeeze=False)
    numbers = []
    for place, (patient, case, index) in enumerate(shown):
        assert case.mask is not None  # shown_slices has seen to it
        upper, lower = list(axes[2 * place]), list(axes[2 * place + 1])
        show_modalities(upper, case, index)
        lesion = case.mask[index] > 0
        area = float(lesion.sum() * case.spacing[1] * case.spacing[2])
        for axis in [*upper[_INPUTS:], *lower[len(systems) :]]:
            axis.axis("off")
        upper[_INPUTS].text(
            0.04,
            0.5,
            f"{patient.name}\nslice {case.grid.file_slice(index)} of the file\nlesion {area / 100:.1f} cm²",
            transform=upper[_INPUTS].transAxes,
            fontsize=TEXT,
            va="center",
            in_layout=False,  # a long name runs on over the empty cells beside it
        )
        dices = {}
        for axis, name in zip(lower, systems, strict=False):
            dices[name] = _draw_system(axis, patient, case, index, name, threshold)
        numbers.append({"case": patient.name, "slice": index, "lesion_mm2": area, "dice": dices})
    return save_figure(run, NAME, figure, {"threshold": threshold, "slices": numbers})


def _draw_system(axis: Axes, patient: Patient, case: Case, index: int, name: str, threshold: float) -> float | None:
    """One system's mask over FLAIR; the slice's Dice, or None where the system was not trained."""
    assert case.mask is not None  # shown_slices has seen to it
    crop, lesion = brain_crop(case, index), case.mask[index] > 0
    show(axis, case.images[-1][index][crop], case, window(case, "flair"))
    score: float | None = None
    if name in patient.systems:
        (result,) = patient.results(name, case, [index])
        found = result.mask(threshold).astype(bool)
        score = metrics.dice(found, lesion)
        tint(axis, found[crop], case)
    outline(axis, np.asarray(lesion[crop]))
    said: Any = "not trained" if score is None else f"{score:.2f}"
    axis.set_title(f"{LABELS[name]}\n{said}", fontsize=TEXT, pad=3)
    return score
