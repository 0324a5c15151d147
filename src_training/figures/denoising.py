"""Fig 5: how the mask comes out of the noise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.denoising import denoising_sequence
from src_training import metrics
from src_training.figures.drawing import TEXT, brain_crop, new_figure, outline, save_figure, show, show_modalities
from src_training.figures.trained import LABELS, Patient, shown_slices
from src_training.run import Run
from src_training.systems import DIFFUSION_SYSTEMS, system_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_ddmd.case import Case
    from napari_ddmd.results import Denoising

NAME = "fig5_denoising"
ORDER = ("cimd", "ddmd-mini", "ddmd", "ddmd-light")
"""As in the paper's figure."""
_FRAMES = 8


def fig5_denoising(run: Run, patients: list[Patient], *, sampler: str = "ddpm", steps: int = 50) -> list[Path]:
    """Draw Fig 5: x_t from pure noise to the mask for CIMD and the variants, and the masks that one of them expects.

    Parameters
    ----------
    run
        Where to write.
    patients
        Held out, by name. The first one with a lesion that a diffusion system was trained for is shown.
    sampler, steps
        By which the mask is drawn. Not the model's own choice: one that needs two steps shows nothing on the way.

    Returns
    -------
    list of Path
        What was written; nothing where no diffusion system was trained.
    """
    shown = shown_slices([one for one in patients if set(one.systems) & set(DIFFUSION_SYSTEMS)], 1)
    if not shown:
        print(f"{NAME}: no diffusion system and patient with a lesion; left out", file=sys.stderr)
        return []
    ((patient, case, index),) = shown
    systems = [name for name in ORDER if name in patient.systems]
    own = system_name(run.home)
    expected = own if own in systems else systems[-1]
    sampling, diffusion = (getattr(patient.bundle(expected).settings, part) for part in ("sampling", "diffusion"))
    steps = min(steps, diffusion.timesteps)
    means = {"x0": "the clean mask (x0)", "epsilon": "the noise (ε)", "v": "the velocity (v)"}[diffusion.prediction]
    figure = new_figure(
        (len(systems) + 2) * (9.2 / _FRAMES + 0.14) + 0.5,
        f"Out of the noise: {sampler}, {steps} steps",
        f"""{patient.name}, held out, slice {case.grid.file_slice(index)} of the file, where the lesion is largest
        (n = 1 slice). Above: images and expert's mask. Rows named after a system: the noisy mask x_t inside the
        brain (black −1, white 1), from pure noise at t = {diffusion.timesteps} to one finished mask, with the
        expert's outline (blue, dashed) and the Dice of this one mask. Last row: the clean mask that
        {LABELS[expected]} expects at the same steps. The networks were trained to predict {means} and by their own
        settings take {sampling.steps} steps of {sampling.sampler}; here they take {steps} steps of {sampler}, so
        that the way is seen. All rows start from the same noise. Patient's left is on the right.""",
    )
    axes = figure.subplots(len(systems) + 2, _FRAMES, squeeze=False)
    show_modalities(list(axes[0]), case, index)
    for axis in axes[0][5:]:
        axis.axis("off")
    numbers: dict[str, Any] = {"case": patient.name, "slice": index, "sampler": sampler, "steps": steps, "systems": {}}
    for row, name in enumerate(systems, 1):
        recipe = run.recipe
        way = denoising_sequence(
            case,
            patient.bundle(name),
            index,
            sampler=sampler,
            steps=steps,
            seed=recipe.seed,
            device=recipe.device,
        )
        numbers["systems"][name] = _draw_way(list(axes[row]), way, case, index, LABELS[name])
        if name == expected:
            _draw_expected(list(axes[-1]), way, case, index, f"{LABELS[name]}\nexpects")
    return save_figure(run, NAME, figure, numbers)


def frames(steps: int, count: int = _FRAMES) -> list[int]:
    """Evenly spaced states out of 0 (pure noise) to ``steps`` (the finished mask), both included, no one twice."""
    return sorted({int(place) for place in np.linspace(0, steps, count).round()})


def _draw_way(axes: list[Axes], way: Denoising, case: Case, index: int, label: str) -> dict[str, Any]:
    """One system's row; the timesteps that are shown, and the Dice of the mask at its end."""
    assert case.mask is not None  # shown_slices has seen to it
    crop, lesion, last = brain_crop(case, index), case.mask[index] > 0, len(way.timesteps)
    kept = frames(last, len(axes))
    final = metrics.dice(way.noisy[-1] > 0, lesion)
    for axis, state in zip(axes, kept, strict=False):
        show(axis, way.noisy[state][crop], case, (-1.0, 1.0))
        axis.set_title(_moment(way, state, final), fontsize=TEXT, pad=3)
    outline(axes[len(kept) - 1], lesion[crop])
    _name_row(axes, len(kept), label)
    return {"timesteps": [way.timesteps[state] + 1 for state in kept if state < last], "dice": final}


def _draw_expected(axes: list[Axes], way: Denoising, case: Case, index: int, label: str) -> None:
    """The clean mask that is expected at each state that is shown."""
    crop, last = brain_crop(case, index), len(way.timesteps)
    kept = frames(last, len(axes))
    for axis, state in zip(axes, kept, strict=False):
        show(axis, way.estimates[min(state, last - 1)][crop], case, (0.0, 1.0))
        axis.set_title(_moment(way, state, None), fontsize=TEXT, pad=3)
    _name_row(axes, len(kept), label)


def _moment(way: Denoising, state: int, dice: float | None) -> str:
    """The timestep of a state, counted from 1 to T as in the paper, or what stands at its end."""
    if state < len(way.timesteps):
        return f"t = {way.timesteps[state] + 1}"
    return "mask" if dice is None else f"mask, {dice:.2f}"


def _name_row(axes: list[Axes], used: int, label: str) -> None:
    axes[0].set_ylabel(label, fontsize=TEXT)
    for axis in axes[used:]:
        axis.axis("off")
