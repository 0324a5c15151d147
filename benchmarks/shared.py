"""What all benchmarks share: the model, the case, the machine, and how figures are put down."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from napari_ddmd.case import MODALITIES, Case, CaseError, load_case
from napari_ddmd.device import DeviceError, inference_dtype
from napari_ddmd.model.bundle import Bundle, BundleError
from napari_ddmd.model.library import DEFAULT_MODEL
from napari_ddmd.segment import SAMPLERS, InferenceError
from napari_ddmd.synthetic import make_case
from napari_ddmd.whole_files import ExportError

USER_ERRORS = (BundleError, CaseError, DeviceError, ExportError, InferenceError, OSError)
"""Errors whose one line tells the user all."""

Row = Mapping[str, object]


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    options.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    options.add_argument("--seed", type=int, default=0, help="of the sampled noise")
    options.add_argument("--json", type=Path, help="write the figures to this file, too")
    return options


def add_model(options: argparse.ArgumentParser) -> None:
    """The option that names a model."""
    options.add_argument("--model", default=DEFAULT_MODEL, help="name of an installed model, or a bundle's folder")


def add_case(options: argparse.ArgumentParser) -> None:
    """The option that names a case."""
    options.add_argument("--case", type=Path, help="folder of a case; without it, the synthetic case of full size")


def count(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


def sampler(text: str) -> str:
    """The name of a sampler."""
    if text not in SAMPLERS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(SAMPLERS)}")
    return text


def open_case(folder: Path | None) -> Case:
    """The case in a folder, or the synthetic one: 240 × 240 × 155 voxels of 1 mm, made in memory."""
    if folder is not None:
        return load_case(folder)
    print("making the synthetic case ...", file=sys.stderr, flush=True)
    made = make_case()
    return Case.from_arrays("synthetic", [made.images[name] for name in MODALITIES], affine=made.affine, mask=made.mask)


def machine(device: torch.device) -> dict[str, object]:
    """Where the figures were taken."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "precision": str(inference_dtype(device)).removeprefix("torch."),
        "platform": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "package": version("napari-ddmd"),
    }


def model_line(bundle: Bundle) -> dict[str, object]:
    """Which model the figures are of."""
    sampling = bundle.settings.sampling
    return {
        "name": bundle.name,
        "version": bundle.version,
        "variant": bundle.variant,
        "sha256": bundle.sha256,
        "size": bundle.settings.frame.size,
        "denoisers": bundle.settings.denoiser.members,
        "parameters": sum(parameter.numel() for parameter in bundle.networks.parameters()),
        "sampler": sampling.sampler,
        "steps": sampling.steps,
        "samples": sampling.samples,
    }


def table(rows: Sequence[Row]) -> str:
    """Rows of equal keys as a Markdown table."""
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def finish(
    rows: Sequence[Row], heading: Mapping[str, Any], path: Path | None, details: Sequence[Row] | None = None
) -> None:
    """Print where and what was measured and the table; write all, with the details, to the file that was asked for."""
    for name, facts in heading.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
    print()
    print(table(rows))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        figures = {**heading, "rows": rows} | ({} if details is None else {"details": details})
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def fault(error: Exception) -> int:
    """Say in one line what the user must change; the exit status."""
    print(f"benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
