"""The summary of one case's results: what ``summary.json`` holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd import __version__
from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.learned import cautions_of
from napari_ddmd.lesions import Lesion, Parts, find_lesions, lesion_volume_ml
from napari_ddmd.saveable import ModelFacts
from napari_ddmd.volumes import Volumes

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle

_MIB = 2.0**20


def summarise(
    case: Case,
    bundle: Bundle,
    volumes: Volumes,
    *,
    settings: Mapping[str, Any],
    device: str,
    seconds: float,
    threshold: float,
) -> dict[str, Any]:
    """Gather what is to be said of one case, in plain containers; the findings first.

    Slice numbers, voxels and the order of the scores are those of the case's files: slices count from 0
    along the file's inferior-superior axis, and ranges of slices include their last one.

    Parameters
    ----------
    case, bundle, volumes
        What was segmented, with what, and the result; at least one slice must have come in.
    settings
        What the run was asked for; goes in as it is.
    device, seconds
        Where it ran, and for how long.
    threshold
        At which the lesion is cut (`Volumes.mask`).
    """
    numbers = sorted(case.grid.file_slice(index) for index in volumes.done)
    mask = volumes.mask(threshold)
    lesions = find_lesions(
        mask, case.spacing, volumes.probability, uncertainty=volumes.uncertainty, scores=volumes.scores
    )[1]
    summary: dict[str, Any] = {
        "case": case.name,
        "lesion_volume_ml": lesion_volume_ml(mask, case.spacing),
        "lesions": [lesion_entry(lesion, case) for lesion in lesions],
        "warnings": [*case.cautions, *cautions_of(case.name, ModelFacts.of(bundle))],
        "left_out": _left_out(volumes, mask, threshold, case),
        "model": model_entry(bundle),
        "settings": {**settings, "threshold": threshold},
        "bias_field_taken_out": None if volumes.evened is None else list(volumes.evened),
        "device": device,
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_memory_mb(), 1),
        "package": __version__,
    }
    if device.startswith("cuda"):
        summary["peak_device_memory_mb"] = round(_peak_cuda_memory_mb(device), 1)
    # Hundreds of lines in a file that has one value a line.
    summary["slices"] = {"first": numbers[0], "last": numbers[-1], "n": len(numbers), "numbers": numbers}
    summary["scores"] = _scores(volumes, numbers, case)
    return summary


def _left_out(volumes: Volumes, mask: NDArray[np.uint8], threshold: float, case: Case) -> dict[str, Any]:
    """What exceeds the threshold and is not in the mask: parts that are too small or too doubtful."""
    place = (volumes.probability > threshold) & (mask == 0)
    parts = Parts.of(place)
    return {"n": 0 if parts is None else parts.count, "volume_ml": lesion_volume_ml(place, case.spacing)}


def model_entry(bundle: Bundle) -> dict[str, str]:
    """What is said of the model."""
    return {
        "name": bundle.name,
        "variant": bundle.variant,
        "version": bundle.version,
        "sha256": bundle.sha256,
        "settings_sha256": bundle.settings_sha256,
    }


def lesion_entry(lesion: Lesion, case: Case) -> dict[str, Any]:
    """What is said of one lesion, in slice and voxel numbers of the case's files."""
    s, h, w = (round(position) for position in lesion.centroid)
    return {
        "label": lesion.label,
        "volume_ml": lesion.volume_ml,
        "longest_diameter_mm": lesion.longest_diameter_mm,
        "diameter_slice": case.grid.file_slice(lesion.diameter_slice),
        "slices": sorted(case.grid.file_slice(index) for index in lesion.slices),
        "centroid_voxel": list(case.grid.source_voxel(s, h, w)),
        "mean_probability": lesion.mean_probability,
        "mean_uncertainty": lesion.mean_uncertainty,
        "modality_scores": lesion.modality_scores,
    }


def peak_memory_mb() -> float:
    """Most main memory that this process has held at once, in MiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / _MIB
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / _MIB if sys.platform == "darwin" else peak / 1024.0


def _peak_cuda_memory_mb(devices: str) -> float:
    import torch

    return torch.cuda.max_memory_allocated(devices.partition(",")[0]) / _MIB


def _scores(volumes: Volumes, numbers: list[int], case: Case) -> dict[str, Any]:
    """Discrepancy scores as lists over the file's slices `numbers`; None in place of a list where there is no map."""
    rows = [] if volumes.inter is None else [volumes.scores[case.grid.axial_slice(number)] for number in numbers]

    def lists(inter: list[Any], intra: list[Any]) -> dict[str, Any]:
        return {
            "inter": None if volumes.inter is None else inter,
            "intra": None if volumes.intra is None else intra,
        }

    return {
        **lists([row.inter for row in rows], [row.intra for row in rows]),
        "per_modality": {
            name: lists(
                [row.per_modality[name]["inter"] for row in rows],
                [row.per_modality[name]["intra"] for row in rows],
            )
            for name in MODALITIES
        },
    }
