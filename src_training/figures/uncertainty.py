"""Whether the model knows where it is wrong: reliability, risk and coverage, and the spread of its samples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from napari_ddmd.model.bundle import read_description
from src_training.figures.drawing import ABNORMAL, HEALTHY, TEXT, counted, new_figure, save_figure
from src_training.figures.trained import Patient, own_split
from src_training.files import read_json
from src_training.fingerprints import are_same
from src_training.metrics import risk_coverage
from src_training.run import Run
from src_training.systems import DIFFUSION_SYSTEMS, how, system_name

NAME = "uncertainty"
COVERAGES = np.linspace(0.8, 1.0, 101)


def uncertainty(run: Run, patients: list[Patient]) -> list[Path]:
    """Draw what the evaluation of the held-out patients has counted; nothing where it has not been done.

    The curves are those of all patients' voxels together, thin lines those of single patients.
    """
    trained = [name for name in DIFFUSION_SYSTEMS if any(name in patient.systems for patient in patients)]
    own = system_name(run.home)
    system = own if own in trained or not trained else trained[0]
    judged = [figures for patient in patients if (figures := _evaluated(patient, system)) is not None]
    if not judged:
        print(f"{NAME}: no patient was evaluated; left out", file=sys.stderr)
        return []
    numbers = join_counts(judged)
    figure = new_figure(
        3.6,
        "Does the model know where it is wrong?",
        f"""{counted(len(judged), "held-out patient")}, all brain voxels. Left: how often there is lesion where a
        probability is stated. Middle: share of wrong voxels among the surest ones, by how many of them are kept; thin,
        each patient. Right: how far the sampled masks of a patient lie from each other, and from the expert's.""",
    )
    left, middle, right = figure.subplots(1, 3)
    left.plot([0, 1], [0, 1], color="0.6", linestyle="dashed", linewidth=1)
    left.plot(numbers["stated"], numbers["observed"], color=ABNORMAL, marker="o", markersize=4)
    left.set_xlabel("stated probability", fontsize=TEXT)
    left.set_ylabel("share of lesion", fontsize=TEXT)
    for risks in numbers["risk_per_patient"].values():
        middle.plot(100 * COVERAGES, 100 * np.array(risks), color="0.75", linewidth=0.8)
    middle.plot(100 * COVERAGES, 100 * np.array(numbers["risk"]), color=ABNORMAL, linewidth=2)
    middle.set_xlabel("surest voxels that are kept, %", fontsize=TEXT)
    middle.set_ylabel("wrong among them, %", fontsize=TEXT)
    spread = [
        entry for entry in numbers["spread"].values() if entry["between"] is not None
    ]  # of one mask there is none
    right.scatter([entry["between"] for entry in spread], [entry["to_expert"] for entry in spread], color=HEALTHY, s=18)
    right.set_xlabel("1 − Dice between samples", fontsize=TEXT)
    right.set_ylabel("1 − Dice to the expert", fontsize=TEXT)
    right.set_xlim(left=0)
    right.set_ylim(bottom=0)
    for axis in (left, middle, right):
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=TEXT)
    return save_figure(run, NAME, figure, numbers)


def join_counts(judged: list[dict[str, Any]]) -> dict[str, Any]:
    """Curves over the voxels of all patients, and what each patient adds to them."""
    calibration = {
        key: np.sum([p["calibration"][key] for p in judged], axis=0) for key in ("voxels", "stated", "lesion")
    }
    filled = calibration["voxels"] > 0
    counts = {key: np.sum([p["uncertainty"][key] for p in judged], axis=0) for key in ("voxels", "errors")}
    return {
        "stated": (calibration["stated"][filled] / calibration["voxels"][filled]).tolist(),
        "observed": (calibration["lesion"][filled] / calibration["voxels"][filled]).tolist(),
        "voxels": calibration["voxels"][filled].tolist(),
        "coverage": COVERAGES.tolist(),
        "risk": risk_coverage(counts["voxels"], counts["errors"], COVERAGES).tolist(),
        "risk_per_patient": {
            p["case"]: risk_coverage(
                np.array(p["uncertainty"]["voxels"]), np.array(p["uncertainty"]["errors"]), COVERAGES
            ).tolist()
            for p in judged
        },
        "spread": {
            p["case"]: {"between": p["values"]["sample_spread"], "to_expert": p["values"]["sample_error"]}
            for p in judged
        },
    }


def _evaluated(patient: Patient, system: str) -> dict[str, Any] | None:
    """What the evaluation has kept of a patient, if it was of the weights and the sampling that the run has now."""
    if system not in patient.systems:
        return None
    split = own_split(patient.split, system)
    path = split.work / "evaluation" / f"{patient.name}.json"
    if not path.exists():
        return None
    figures = read_json(path, remedy="delete it and run the stage 'evaluate' again")
    digest = read_description(split.work / "bundle")["weights_sha256"]
    wanted = {"sha256": digest, **how(split.run)}
    return figures if are_same(figures["made_with"], wanted) and "uncertainty" in figures else None
