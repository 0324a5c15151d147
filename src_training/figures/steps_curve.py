"""Dice against the number of steps, sampler by sampler."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.samplers import SAMPLERS
from src_training.case_bar import case_bar
from src_training.few_steps import Outcome, judge_steps
from src_training.figures.drawing import ABNORMAL, HEALTHY, TEXT, THIRD, counted, new_figure, save_figure
from src_training.figures.trained import LABELS, Patient
from src_training.judged import kept_or_made
from src_training.metrics import bootstrap_interval
from src_training.patient import judged_slices
from src_training.run import Run
from src_training.systems import DIFFUSION_SYSTEMS, system_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "steps_curve"
STEPS = (1, 2, 3, 5, 10, 20)
STYLES = {"ddim": (HEALTHY, "o"), "dpm-solver++": (ABNORMAL, "s"), "ddpm": (THIRD, "^")}


def steps_curve(
    run: Run,
    patients: list[Patient],
    *,
    systems: Sequence[str] | None = None,
    steps: Sequence[int] = STEPS,
    samplers: Sequence[str] = SAMPLERS,
    samples: int = 2,
    at_most: int = 5,
    every: int = 4,
) -> list[Path]:
    """Draw the mean Dice of held-out patients against the steps of each sampler.

    What has been judged is kept in ``RUN/figures/cache`` and is not judged again.

    Parameters
    ----------
    run
        Where to write.
    patients
        Held out.
    systems
        Diffusion systems, a panel each; by default the run's own, or the first that was trained.
    steps, samplers
        What is compared. Steps beyond the model's T are left out.
    samples
        Masks a slice, whose mean is judged; so is the first alone.
    at_most
        Patients. They are taken from all folds in turn.
    every
        Of the slices with brain, every so many is judged; the Dice is that of these slices together.

    Returns
    -------
    list of Path
        What was written; nothing where no diffusion system was trained.
    """
    trained = [name for name in DIFFUSION_SYSTEMS if any(name in patient.systems for patient in patients)]
    own = system_name(run.home)
    chosen = (
        [name for name in (systems or (own if own in trained else trained[0],)) if name in trained] if trained else []
    )
    if not chosen:
        print(f"{NAME}: no diffusion system was trained; left out", file=sys.stderr)
        return []
    outcomes: dict[str, list[Outcome]] = {}
    for name in chosen:
        judged = in_turn([patient for patient in patients if name in patient.systems], at_most)
        with case_bar(judged, f"{NAME} {name}", len(judged)) as bar:
            outcomes[name] = [
                outcome for patient in bar for outcome in _patient(run, patient, name, steps, samplers, samples, every)
            ]
    names = sorted({outcome.case for found in outcomes.values() for outcome in found})
    dices = [max(outcome.dices.items())[1] for found in outcomes.values() for outcome in found]
    figure = new_figure(
        3.9,
        "Dice against sampling steps",
        f"""Volume Dice over every {every}th slice with brain, mean over {counted(len(names), "held-out patient")},
        from each fold in turn. Solid: mean of {counted(samples, "mask")} a slice. Dotted: the first mask alone.
        Small parts are not left out. One step
        is the same estimate for every sampler. Single patients lie between {min(dices):.2f} and {max(dices):.2f}.""",
    )
    axes = figure.subplots(1, len(chosen), squeeze=False, sharey=True)[0]
    numbers: dict[str, Any] = {"samples": samples, "every": every, "patients": names, "systems": {}}
    for axis, name in zip(axes, chosen, strict=True):
        curves = summarise_curves(outcomes[name])
        numbers["systems"][name] = curves
        _draw(axis, curves, samples, LABELS[name])
    axes[0].set_ylabel("volume Dice", fontsize=TEXT)
    return save_figure(run, NAME, figure, numbers)


def in_turn(patients: Sequence[Patient], at_most: int) -> list[Patient]:
    """Some patients: the first of every fold, then the second of every fold, until there are enough."""
    by_fold: dict[str, list[Patient]] = {}
    for patient in patients:
        by_fold.setdefault(patient.split.name, []).append(patient)
    ranked = [(place, fold, one) for fold, own in by_fold.items() for place, one in enumerate(own)]
    return [one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])[:at_most]]


def summarise_curves(outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """For each sampler the points of its curve: mean, 95 % bootstrap interval and every patient's Dice."""
    curves: dict[str, list[dict[str, Any]]] = {}
    for sampler, steps in dict.fromkeys((outcome.sampler, outcome.steps) for outcome in outcomes):
        found = [outcome for outcome in outcomes if (outcome.sampler, outcome.steps) == (sampler, steps)]
        most = max(found[0].dices)
        dices = np.array([outcome.dices[most] for outcome in found])
        curves.setdefault(sampler, []).append(
            {
                "steps": steps,
                "mean": float(dices.mean()),
                "interval": list(bootstrap_interval(dices)),
                "mean_of_one": float(np.mean([outcome.dices[1] for outcome in found])),
                "seconds": float(np.mean([outcome.seconds for outcome in found])),
                "per_patient": {outcome.case: outcome.dices[most] for outcome in found},
            }
        )
    return curves


def _patient(
    run: Run,
    patient: Patient,
    system: str,
    steps: Sequence[int],
    samplers: Sequence[str],
    samples: int,
    every: int,
) -> list[Outcome]:
    """All outcomes of one patient; the images are loaded only where one is missing."""
    bundle, recipe, files = patient.bundle(system), run.recipe, patient.files()
    made_with = _made_with(bundle, samples, every, run)
    loaded: list[Case] = []
    outcomes = []

    def judge(sampler: str, count: int) -> dict[str, Any]:
        if not loaded:
            loaded.append(patient.load())
        (case,) = loaded
        outcome = judge_steps(
            case,
            bundle,
            sampler=sampler,
            steps=count,
            samples=[1, samples],
            slices=judged_slices(case, recipe.slices.first_slice, recipe.slices.last_slice)[::every],
            seed=recipe.seed,
            device=recipe.device,
        )
        return {"outcome": asdict(outcome)}

    for sampler in samplers:
        for count in (count for count in steps if count <= bundle.settings.diffusion.timesteps):
            path = run.root / "figures" / "cache" / system / f"{patient.name}.{sampler}.{count}.json"
            outcome_data = kept_or_made(path, files, made_with, partial(judge, sampler, count))["outcome"]
            dices = {int(k): value for k, value in outcome_data["dices"].items()}
            outcomes.append(Outcome(**(outcome_data | {"dices": dices})))
    return outcomes


def _made_with(bundle: Bundle, samples: int, every: int, run: Run) -> dict[str, Any]:
    """What must be equal for an outcome to hold."""
    return {
        "sha256": bundle.sha256,
        "sampling": bundle.settings.sampling.told(),
        "samples": samples,
        "every": every,
        "seed": run.recipe.seed,
        "band": [run.recipe.slices.first_slice, run.recipe.slices.last_slice],
    }


def _draw(axis: Axes, curves: dict[str, list[dict[str, Any]]], samples: int, title: str) -> None:
    steps = sorted({point["steps"] for points in curves.values() for point in points})
    for name, points in curves.items():
        colour, marker = STYLES[name]
        x = [point["steps"] for point in points]
        axis.plot(x, [point["mean"] for point in points], color=colour, marker=marker, markersize=5, label=name)
        if samples > 1:
            axis.plot(x, [point["mean_of_one"] for point in points], color=colour, linestyle="dotted")
    axis.set_xscale("log")
    axis.set_xticks(steps, [str(count) for count in steps])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.set_xlabel("steps (denoiser evaluations a mask)", fontsize=TEXT)
    axis.set_title(title, fontsize=TEXT + 1)
    axis.tick_params(labelsize=TEXT)
    axis.legend(fontsize=TEXT, frameon=False)
