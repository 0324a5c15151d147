"""All patients' figures of a run, joined by system: the form of ``metrics.json``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from src_training import metrics
from src_training.files import read_json
from src_training.fingerprints import are_same
from src_training.recipe import SYSTEMS
from src_training.run import Run
from src_training.systems import how


def summarise(run: Run) -> dict[str, Any]:
    """Join the patients of all evaluated splits, system by system.

    ``dice_pooled``, ``iou_foreground``, ``miou``, ``pixel_accuracy`` and ``class_accuracy`` have each patient's own
    value under ``per_patient``; the figure over the pixels of all patients together stands beside it as ``pooled``.
    ``per_fold`` has the mean over each fold's patients, or the figure over all their pixels where that is possible.
    ``paper_like`` is the triple that the paper most likely reports, for each fold.
    """
    systems: dict[str, Any] = {}
    paper_like: dict[str, Any] = {}
    cases: set[str] = set()
    for name in SYSTEMS:
        patients = _judged_alike(run.for_system(name))
        if not patients:
            continue
        cases |= {patient["case"] for patient in patients}
        systems[name] = join_patients(patients)
        paper_like[name] = {fold: _paper_like(own) for fold, own in _by_fold(patients).items()}
    return {"systems": systems, "patients": len(cases), "paper_like": paper_like, "made_with": how(run)}


def join_patients(patients: list[dict[str, Any]]) -> dict[str, Any]:
    """Every figure of some patients that one system judged: mean, spread, every patient, and pooled over pixels.

    Each patient is what `patient_figures` gives, with the ``fold`` it was held out in, if there is one.
    """
    figures = {key: _over_patients(patients, key) for key in patients[0]["values"]}
    pooled = _pooled(patients)
    by_fold = {fold: _pooled(own) for fold, own in _by_fold(patients).items()}
    for key, value in pooled.items():
        figures[key]["pooled"] = value
        figures[key]["per_fold"] = {fold: own[key] for fold, own in by_fold.items()}
    return figures


def _by_fold(patients: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Patients by the fold that they were held out in, if they were."""
    folds: dict[str, list[dict[str, Any]]] = {}
    for patient in patients:
        if "fold" in patient:
            folds.setdefault(patient["fold"], []).append(patient)
    return dict(sorted(folds.items()))


def _judged_alike(run: Run) -> list[dict[str, Any]]:
    """Figures of all patients of one system that were made as this run asks for; others cannot be joined with them."""
    place = "evaluation" if run.system is None else f"systems/{run.system}/evaluation"
    found = [
        read_json(path, remedy="delete it and run the stage 'evaluate' again")
        | {"fold": path.relative_to(run.root).parts[0].removeprefix("fold")}
        for path in sorted(run.root.glob(f"fold*/{place}/*.json"))
    ]
    if not found:
        return []
    wanted = how(run)
    stored = run.index() if run.index_path.exists() else {}
    folds = {case: str(entry["fold"]) for case, entry in stored.items()}
    alike = [
        p
        for p in found
        if are_same({key: p["made_with"].get(key) for key in wanted}, wanted)
        and folds.get(p["case"], p["fold"]) == p["fold"]
    ]
    if len(alike) < len(found):
        print(
            f"{len(found) - len(alike)} patients were judged in another fold or with another training or sampling and "
            "are left out",
            file=sys.stderr,
        )
    return alike


def _over_patients(patients: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Mean, standard deviation and 95 % bootstrap interval over patients; undefined values are left out."""
    per_patient = {patient["case"]: patient["values"].get(key) for patient in patients}
    known = np.array([value for value in per_patient.values() if value is not None], float)
    if known.size == 0:
        return {"mean": None, "std": None, "per_patient": per_patient}
    return {
        "mean": float(known.mean()),
        "std": float(known.std(ddof=1)) if known.size > 1 else 0.0,
        "interval": list(metrics.bootstrap_interval(known)),
        "per_patient": per_patient,
        "per_fold": {fold: _mean([p["values"].get(key) for p in own]) for fold, own in _by_fold(patients).items()},
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _pooled(patients: list[dict[str, Any]]) -> dict[str, float]:
    """Figures over the pixels of all patients together."""
    counts = [metrics.Confusion(**patient["confusion"]) for patient in patients]
    total = sum(counts[1:], counts[0])
    return {
        "dice_pooled": total.dice,
        "iou_foreground": total.iou_foreground,
        "miou": total.miou,
        "pixel_accuracy": total.pixel_accuracy,
        "class_accuracy": total.class_accuracy,
    }


def _paper_like(patients: list[dict[str, Any]]) -> dict[str, float | None]:
    """The paper's triple as it is inferred: its Dice, Miou and PA cannot come from the same pixels.

    ``dice`` is the mean over the slices with lesion of all test patients, ``miou`` the mean of foreground and
    background IoU and ``pa`` the mean class accuracy, both over all pixels together.
    """
    pooled = _pooled(patients)
    counted = [(p["slices"]["lesion"], p["values"]["dice_slice"]) for p in patients if p["slices"]["lesion"]]
    slices = sum(count for count, _ in counted)
    dice = sum(count * value for count, value in counted) / slices if slices else None
    return {"dice": dice, "miou": pooled["miou"], "pa": pooled["class_accuracy"]}
