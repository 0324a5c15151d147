"""Where a model fails: the slices of judged patients with the most lesion missed, and with the most found in error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.results import SliceResult
from napari_ddmd.segment import segment
from src_training.figures.drawing import (
    TEXT,
    brain_crop,
    counted,
    new_figure,
    outline,
    save_figure,
    show,
    tint,
    window,
)
from src_training.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "failures"
KINDS = {"missed": "most missed", "false": "most found in error"}
_EACH = 3


def failures(
    run: Run,
    bundle: Bundle,
    patients: Sequence[dict[str, Any]],
    load: Callable[[str], Case],
    *,
    seed: int = 0,
    device: str = "auto",
) -> list[Path]:
    """Draw the worst slices, one a patient: FLAIR with both masks, and the model's uncertainty beside it.

    Parameters
    ----------
    run
        Where to write.
    bundle
        The model that judged the patients.
    patients
        Figures of `src_training.patient.patient_figures`.
    load
        From a patient's name to the case.
    seed, device
        With which the patients were judged.

    Returns
    -------
    list of Path
        What was written; nothing where no patient has a wrong voxel.
    """
    worst = {kind: _worst(patients, kind) for kind in KINDS}
    rows = [kind for kind in KINDS if worst[kind]]
    if not rows:
        return []
    threshold = bundle.settings.sampling.threshold
    figure = new_figure(
        3.7 * len(rows) / 2 + 0.4,
        f"Where {bundle.name} fails",
        f"""Of {counted(len(patients), "judged patient")} the slice with the most lesion missed, or found in error; the
        worst of them, {_EACH} at most. FLAIR with the model's mask (yellow; probability above {threshold:g}, before
        small parts are left out) and the expert's outline (blue, dashed); beside it the uncertainty, 0 (black) to 1
        (white): a failure that is bright there announces itself. Patient's left is on the right.""",
    )
    axes = figure.subplots(len(rows), 2 * _EACH, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for row, kind in zip(axes, rows, strict=True):
        for place, entry in enumerate(worst[kind]):
            case = load(entry["case"])
            (result,) = segment(case, bundle, slices=[entry["slice"]], seed=seed, device=device)
            _draw(row[2 * place : 2 * place + 2], case, result, threshold)
            row[2 * place].set_title(
                f"{entry['case']}, slice {case.grid.file_slice(entry['slice'])}\n"
                f"{KINDS[kind]}: {entry['area_mm2'] / 100:.1f} cm²",
                fontsize=TEXT,
                pad=3,
                loc="left",
            )
    return save_figure(run, NAME, figure, {"threshold": threshold, "slices": worst})


def _worst(patients: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The slices with the largest area of an error, each of another patient, largest first."""
    found = [{"case": patient["case"], **patient["worst"][kind]} for patient in patients]
    wrong = [entry for entry in found if entry["area_mm2"] > 0]
    return sorted(wrong, key=lambda entry: (-entry["area_mm2"], entry["case"]))[:_EACH]


def _draw(axes: Sequence[Axes], case: Case, result: SliceResult, threshold: float) -> None:
    assert case.mask is not None  # only labelled cases are judged
    crop = brain_crop(case, result.index)
    lesion = np.asarray((case.mask[result.index] > 0)[crop])
    overlay, doubt = axes
    for axis in axes:
        axis.axis("on")
    show(overlay, case.images[-1][result.index][crop], case, window(case, "flair"))
    tint(overlay, result.mask(threshold).astype(bool)[crop], case)
    show(doubt, result.uncertainty[crop], case, (0, 1))
    for axis in axes:
        outline(axis, lesion)
