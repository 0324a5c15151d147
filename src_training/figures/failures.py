"""Where a model fails: the slices of judged patients with the most lesion missed, and with the most found in error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.segment import segment
from napari_ddmd.volumes import Volumes
from src_training.evaluate import band_slices
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
    figure = new_figure(
        3.7 * len(rows) / 2 + 0.4,
        f"Where {bundle.name} fails",
        f"""Of {counted(len(patients), "judged patient")} the slice with the most lesion missed, or found in error; the
        worst of them, {_EACH} at most. FLAIR with the model's mask (yellow) and the expert's outline (blue, dashed);
        beside it the uncertainty, 0 (black) to 1 (white): a failure that is bright there announces itself. Patient's
        left is on the right.""",
    )
    axes = figure.subplots(len(rows), 2 * _EACH, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    drawn = [
        (entry["case"], kind, entry, row[2 * place : 2 * place + 2])
        for row, kind in zip(axes, rows, strict=True)
        for place, entry in enumerate(worst[kind])
    ]
    for name in dict.fromkeys(case_name for case_name, *_ in drawn):
        case = load(name)
        volumes = _volumes(case, bundle, seed=seed, device=device)
        for _name, kind, entry, pair in (one for one in drawn if one[0] == name):
            _draw(pair, case, volumes, entry["slice"])
            pair[0].set_title(
                f"{name}, slice {case.grid.file_slice(entry['slice'])}\n"
                f"{KINDS[kind]}: {entry['area_mm2'] / 100:.1f} cm²",
                fontsize=TEXT,
                pad=3,
                loc="left",
            )
    return save_figure(run, NAME, figure, {"slices": worst})


def _worst(patients: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The slices with the largest area of an error, each of another patient, largest first."""
    found = [{"case": patient["case"], **patient["worst_slices"][kind]} for patient in patients]
    wrong = [entry for entry in found if entry["area_mm2"] > 0]
    return sorted(wrong, key=lambda entry: (-entry["area_mm2"], entry["case"]))[:_EACH]


def _volumes(case: Case, bundle: Bundle, *, seed: int, device: str) -> Volumes:
    """What the model says of all slices that it was judged on: a part of its mask goes from slice to slice."""
    sampling = bundle.settings.sampling
    volumes = Volumes(case, sampling.samples, inter=False, intra=False, cut=Cut.of(sampling))
    for result in segment(case, bundle, slices=band_slices(case, bundle), seed=seed, device=device):
        volumes.add(result)
    return volumes


def _draw(axes: Sequence[Axes], case: Case, volumes: Volumes, index: int) -> None:
    assert case.mask is not None  # only labelled cases are judged
    crop = brain_crop(case, index)
    lesion = np.asarray((case.mask[index] > 0)[crop])
    overlay, doubt = axes
    for axis in axes:
        axis.axis("on")
    show(overlay, case.images[-1][index][crop], case, window(case, "flair"))
    tint(overlay, volumes.mask()[index].astype(bool)[crop], case)
    show(doubt, volumes.uncertainty[index][crop], case, (0, 1))
    for axis in axes:
        outline(axis, lesion)
