"""Stage ``robustness``: how much of the Dice is lost when held-out patients' images are worse than they were."""

from __future__ import annotations

import hashlib
import math
import sys
from typing import Any

import numpy as np

from napari_ddmd.case import Case, CaseError, load_case
from napari_ddmd.model.bundle import Bundle, read_bundle
from src_training import distributed
from src_training.few_steps import judge_steps
from src_training.figures.robustness_curves import robustness_curves
from src_training.files import read_json, write_bytes, write_json
from src_training.judged import case_files, judge_each
from src_training.metrics import bootstrap_interval
from src_training.patient import judged_slices
from src_training.perturbations import PERTURBATIONS
from src_training.publish import publish_split
from src_training.recipe import Recipe, RecipeError
from src_training.run import Run, Split

EVERY = 3
"""Every so many slices with brain are judged, so that all strengths of a patient take a few minutes."""


def robustness(run: Run) -> None:
    """Judge the held-out patients of every split under every perturbation; what has been judged is kept.

    A patient's figures are kept in ``<split>/robustness/<case>.json``. ``robustness.json`` and ``robustness.md`` join
    those of all splits that are asked for, and ``figures/robustness.png`` draws them.

    Raises
    ------
    RecipeError
        If nobody is held out, or a published model is to be judged.
    """
    if run.recipe.bundle is not None:
        raise RecipeError("robustness judges what a run has trained; leave --bundle out")
    patients: list[dict[str, Any]] = []
    for split in run.splits():
        if not split.test_cases:
            print(f"{split.name}: no patient is held out; nothing to judge", file=sys.stderr)
            continue
        patients += _judge_split(split)
    if not distributed.is_main():
        return
    if not patients:
        raise RecipeError(f"{run.root}: no held-out patient was judged; give --fold cv or a fold's number")
    summary = summarise_robustness(patients)
    write_json(run.root / "robustness.json", summary)
    write_bytes(run.root / "robustness.md", robustness_table(summary).encode())
    for path in robustness_curves(run, summary):
        print(path, file=sys.stderr)


def _judge_split(split: Split) -> list[dict[str, Any]]:
    """Judge the held-out patients, each process its share; the figures of all of them."""
    folder, recipe = split.work / "robustness", split.run.recipe
    bundle = read_bundle(publish_split(split))
    made_with = {
        "sha256": bundle.sha256,
        "every": EVERY,
        "sampling": bundle.settings.sampling.told(),
        "seed": recipe.seed,
        "strengths": {name: list(perturbation.strengths) for name, perturbation in PERTURBATIONS.items()},
    }
    device = str(distributed.own_device(recipe.device))
    files = case_files(split.run, distributed.share(split.test_cases))

    def figures(name: str) -> dict[str, Any]:
        return judge_case(load_case(files[name]), bundle, recipe, device=device)

    judge_each(files, folder, made_with, figures, title=f"robustness {split.name}")
    remedy = "give the same command again"
    return [read_json(folder / f"{name}.json", remedy=remedy) for name in split.test_cases]


def judge_case(case: Case, bundle: Bundle, recipe: Recipe, *, device: str = "auto") -> dict[str, Any]:
    """Dice of one patient as it is and under every perturbation, with one mask a slice; small parts are kept.

    Returns
    -------
    dict
        ``case``, ``unchanged``, and ``changed``: for each perturbation a Dice for each strength.

    Raises
    ------
    CaseError
        If the case has no mask, or no slice is to be judged.
    """

    def judged(seen: Case) -> float:
        ratio = seen.spacing[0] / case.spacing[0]
        first, last = (math.ceil(recipe.slices.first_slice / ratio), math.floor(recipe.slices.last_slice / ratio))
        rows = judged_slices(seen, first, last)[:: max(1, round(EVERY / ratio))]
        if seen.mask is None or not rows:
            raise CaseError(f"{case.name}: has no mask, or no slice of the band holds brain; leave the case out")
        sampling = bundle.settings.sampling
        outcome = judge_steps(
            seen,
            bundle,
            sampler=sampling.sampler,
            steps=sampling.steps,
            samples=[1],
            slices=rows,
            seed=recipe.seed,
            device=device,
        )
        return outcome.dices[1]

    changed: dict[str, list[float]] = {}
    for name, perturbation in PERTURBATIONS.items():
        changed[name] = []
        for place, strength in enumerate(perturbation.strengths):
            key = np.frombuffer(hashlib.sha256(f"{case.name} {name}".encode()).digest(), np.uint32)
            rng = np.random.default_rng([recipe.seed, *key.tolist(), place])
            changed[name].append(judged(perturbation.apply(case, strength, rng)))
    return {"case": case.name, "unchanged": judged(case), "changed": changed}


def summarise_robustness(patients: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean Dice and mean loss over patients, with 95 % bootstrap intervals of the loss."""
    unchanged = np.array([patient["unchanged"] for patient in patients])
    points: dict[str, list[dict[str, Any]]] = {}
    for name, perturbation in PERTURBATIONS.items():
        points[name] = []
        for place, strength in enumerate(perturbation.strengths):
            dices = np.array([patient["changed"][name][place] for patient in patients])
            loss = unchanged - dices
            points[name].append(
                {
                    "strength": strength,
                    "dice": float(dices.mean()),
                    "loss": float(loss.mean()),
                    "interval": list(bootstrap_interval(loss)),
                    "per_patient": {p["case"]: p["changed"][name][place] for p in patients},
                }
            )
    return {
        "every": EVERY,
        "unchanged": float(unchanged.mean()),
        "unchanged_per_patient": {patient["case"]: patient["unchanged"] for patient in patients},
        "perturbations": points,
        "made_with": [patient["made_with"]["sha256"] for patient in patients],
    }


def robustness_table(summary: dict[str, Any]) -> str:
    """One row a perturbation and strength."""
    rows = [
        f"Volume Dice over one slice with brain in {summary['every']}, one mask a slice, small parts kept, mean over "
        f"{len(summary['unchanged_per_patient'])} held-out patients. As the images are: {summary['unchanged']:.3f}. "
        "Thick slices are judged against the expert's mask in slices of that thickness.\n",
        "| Images | Strength | Dice | Lost | 95 % interval of the loss |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, points in summary["perturbations"].items():
        perturbation = PERTURBATIONS[name]
        for point in points:
            low, high = point["interval"]
            strength = "" if name.startswith("no_") else f"{point['strength']:g} {perturbation.unit}"
            rows.append(
                f"| {perturbation.name} | {strength} | {point['dice']:.3f} | {point['loss']:.3f} "
                f"| {low:.3f} to {high:.3f} |"
            )
    return "\n".join(rows) + "\n"
