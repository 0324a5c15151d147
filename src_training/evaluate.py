"""Stage ``evaluate``: held-out patients through the published bundle and `napari_ddmd.segment`."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_ddmd.case import Case, load_case
from napari_ddmd.lesions import drop_small_parts
from napari_ddmd.model.bundle import Bundle, read_bundle
from napari_ddmd.segment import brain_slices, segment
from napari_ddmd.volumes import Volumes
from src_training import metrics
from src_training.diffusion import training_fingerprint
from src_training.files import write_bytes, write_json
from src_training.publish import publish_split
from src_training.report import markdown_table
from src_training.run import Run, Split

SYSTEM_NAMES = {"mini": "ddmd-mini", "light": "ddmd-light", "full": "ddmd"}


def evaluate(run: Run) -> None:
    """Evaluate the held-out patients of every split, and write ``metrics.json`` and ``metrics.md`` of all of them.

    A patient's figures are kept in ``<split>/evaluation/<case>.json``; ``metrics.json`` joins those of all splits that
    have been evaluated so far in the same way, so that it covers every patient once after ``--fold cv``.
    """
    for split in run.splits():
        if not split.test_cases:
            print(f"{split.name}: no patient is held out; nothing to evaluate", file=sys.stderr)
            continue
        _evaluate_split(split)
    summary = summarise(run)
    if summary["systems"]:
        write_json(run.root / "metrics.json", summary)
        write_bytes(run.root / "metrics.md", markdown_table(summary).encode())
    if run.recipe.json:
        print(json.dumps(summary))


def _evaluate_split(split: Split) -> None:
    folder = split.folder / "evaluation"
    bundle = read_bundle(publish_split(split))
    index = json.loads(split.run.index_path.read_text())["cases"]
    made_with = {"sha256": bundle.sha256, **_how(split.run)}
    for name in tqdm(split.test_cases, desc=f"evaluate {split.name}", unit="case"):
        path = folder / f"{name}.json"
        if path.exists() and json.loads(path.read_text()).get("made_with") == made_with:
            continue
        case = load_case(Path(index[name]["folder"]))
        figures = evaluate_case(case, bundle, device=split.run.recipe.device, seed=split.run.recipe.seed)
        write_json(path, figures | {"made_with": made_with})


def evaluate_case(case: Case, bundle: Bundle, *, device: str = "auto", seed: int = 0) -> dict[str, Any]:
    """Every figure of one patient, on the patient's own grid."""
    if case.mask is None:
        raise ValueError(f"{case.name}: has no expert mask to be compared with")
    started = time.perf_counter()
    sampling = bundle.settings.sampling
    volumes = Volumes(
        case, sampling.samples, inter=bundle.has_inter, intra=bundle.has_intra, min_part=sampling.min_part
    )
    for result in segment(case, bundle, device=device, seed=seed):
        volumes.add(result)
    seconds = time.perf_counter() - started
    predicted = volumes.mask(sampling.threshold).astype(bool)
    lesion = case.mask > 0
    slices = np.array(brain_slices(case))
    labels = lesion[slices].any(axis=(1, 2))
    scores = volumes.probability[slices].sum(axis=(1, 2))
    confusion = metrics.Confusion.of(predicted[slices], lesion[slices])
    dices = metrics.slice_dices(predicted, lesion, slices)
    single = drop_small_parts(volumes.samples[0].astype(bool), sampling.min_part)
    uncleaned = volumes.probability > sampling.threshold
    values = {
        "dice_volume": metrics.dice(predicted, lesion),
        "dice_slice": float(dices[labels].mean()) if labels.any() else float("nan"),
        "dice_slice_all": float(dices.mean()),
        "dice_pooled": confusion.dice,
        "iou_foreground": confusion.iou_foreground,
        "miou": confusion.miou,
        "pixel_accuracy": confusion.pixel_accuracy,
        "class_accuracy": confusion.class_accuracy,
        "hd95": metrics.hd95(predicted, lesion, case.spacing),
        "healthy_fp_rate": metrics.healthy_false_positive_rate(predicted, lesion, slices),
        "slice_auroc": metrics.auroc(scores, labels),
        "ece": metrics.expected_calibration_error(volumes.probability, lesion, case.brain),
        "slice_auroc_height_matched": metrics.height_matched_auroc(scores, labels, slices * case.spacing[0]),
        "dice_volume_one_sample": metrics.dice(single, lesion),
        "dice_volume_all_parts": metrics.dice(uncleaned, lesion),
        "healthy_fp_rate_all_parts": metrics.healthy_false_positive_rate(uncleaned, lesion, slices),
        "inter_auroc": metrics.auroc(np.array([volumes.scores[i].inter for i in slices]), labels),
        "inter_pixel_auroc": _map_auroc(volumes.inter, lesion, case.brain),
        "intra_pixel_auroc": _map_auroc(volumes.intra, lesion, case.brain),
        "volume_ml": float(predicted.sum() * math.prod(case.spacing) / 1000),
        "expert_volume_ml": float(lesion.sum() * math.prod(case.spacing) / 1000),
        "seconds": seconds,
    }
    return {
        "case": case.name,
        "system": SYSTEM_NAMES[bundle.variant],
        "values": {key: None if math.isnan(value) else value for key, value in values.items()},
        "confusion": vars(confusion),
    }


def _map_auroc(values: NDArray[np.float32] | None, lesion: metrics.Mask, brain: metrics.Mask) -> float:
    """How well a discrepancy map alone tells the lesion's voxels from the rest of the brain."""
    return float("nan") if values is None else metrics.auroc(values[brain], lesion[brain])


def summarise(run: Run) -> dict[str, Any]:
    """Join the patients of all evaluated splits into the form of ``metrics.json``.

    ``dice_pooled``, ``iou_foreground``, ``miou``, ``pixel_accuracy`` and ``class_accuracy`` have each patient's own
    value under ``per_patient``; the figure over the pixels of all patients together stands beside it as ``pooled``.
    """
    patients = _judged_alike(run)
    systems: dict[str, Any] = {}
    for system in sorted({patient["system"] for patient in patients}):
        own = [patient for patient in patients if patient["system"] == system]
        systems[system] = {key: _over_patients(own, key) for key in own[0]["values"]}
        pooled = sum((metrics.Confusion(**p["confusion"]) for p in own[1:]), metrics.Confusion(**own[0]["confusion"]))
        for key, value in {
            "dice_pooled": pooled.dice,
            "iou_foreground": pooled.iou_foreground,
            "miou": pooled.miou,
            "pixel_accuracy": pooled.pixel_accuracy,
            "class_accuracy": pooled.class_accuracy,
        }.items():
            systems[system][key]["pooled"] = value
    return {"systems": systems, "patients": len({patient["case"] for patient in patients}), "made_with": _how(run)}


def _judged_alike(run: Run) -> list[dict[str, Any]]:
    """Figures of all patients that were sampled as this run asks for; others cannot be joined with them."""
    found = [json.loads(path.read_text()) for path in sorted(run.root.glob("fold*/evaluation/*.json"))]
    wanted = _how(run)
    alike = [p for p in found if {key: p["made_with"].get(key) for key in wanted} == wanted]
    if len(alike) < len(found):
        print(
            f"{len(found) - len(alike)} patients were judged with another training or sampling and are left out",
            file=sys.stderr,
        )
    return alike


def _how(run: Run) -> dict[str, Any]:
    """Training and sampling that figures must share to be joined; as it comes back from JSON."""
    how = {
        "training": training_fingerprint(run),
        "sampling": asdict(run.recipe.model.sampling),
        "seed": run.recipe.seed,
    }
    plain: dict[str, Any] = json.loads(json.dumps(how))
    return plain


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
    }
