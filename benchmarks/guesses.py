"""What a shared first guess, and ending where it shows no lesion, save and cost on patients that were held out.

Takes a run of ``python -m src_training --fold cv``: each fold's model segments the patients that it has not seen, once
with a first guess for every mask (as the sampler does by itself), once with a shared one, and once for every bound
below which a slice ends with it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy import data_folder, held_out
from benchmarks.shared import USER_ERRORS, Row, count, fault, finish, machine, model_line, parser
from napari_ddmd.case import Case, load_case
from napari_ddmd.device import pick_device
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.segment import brain_slices, segment
from src_training.metrics import bootstrap_interval
from src_training.patient import patient_figures

SHOWN = (
    "dice_volume",
    "dice_slice",
    "healthy_fp_rate",
    "slice_auroc",
    "ece",
    "sample_spread",
    "dice_volume_one_sample",
)


@dataclass(frozen=True)
class Way:
    """How the masks of a slice begin."""

    name: str
    shared: bool
    healthy_below: float = 0.0

    def of(self, bundle: Bundle) -> Bundle:
        """The model, begun in this way."""
        settings = bundle.settings
        sampling = replace(settings.sampling, shared_guess=self.shared, healthy_below=self.healthy_below)
        return replace(bundle, settings=replace(settings, sampling=sampling))


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    options.add_argument("run", type=Path, help="folder of a training, with fold*/bundle")
    options.add_argument("--data", type=Path, help="folder of cases with masks; without it, $NAPARI_DDMD_DATA/brats")
    options.add_argument("--below", type=float, nargs="+", default=[0.02, 0.1, 0.3], help="bounds to try")
    options.add_argument("--cases", type=count, help="stop after this many patients")
    options.add_argument("--folds", nargs="+", help="numbers of the folds; without it, all that the run has")
    arguments = options.parse_args()
    try:
        return measure(arguments)
    except USER_ERRORS as error:
        return fault(error)


def measure(arguments: argparse.Namespace) -> int:
    """Take the figures."""
    device = pick_device(arguments.device)
    ways = [Way("own guesses", False), Way("shared", True), *(Way(f"shared, {b:g}", True, b) for b in arguments.below)]
    pairs = list(held_out(arguments.run, data_folder(arguments.data), arguments.folds))[: arguments.cases]
    details: list[dict[str, Any]] = []
    for place, (bundle, files) in enumerate(pairs):
        case = load_case(files)
        for way in ways:
            print(f"{place + 1} of {len(pairs)}: {case.name}, {way.name}", file=sys.stderr, flush=True)
            details.append({"case": case.name, "way": way.name} | _judge(case, way.of(bundle), device, arguments.seed))
    first = {entry["case"]: entry for entry in details if entry["way"] == ways[0].name}
    rows = [_row(way.name, [entry for entry in details if entry["way"] == way.name], first) for way in ways]
    judged = {"run": arguments.run.name, "patients": len(pairs), "seed": arguments.seed}
    heading = {"machine": machine(device), "model": model_line(pairs[0][0]), "cases": judged}
    finish(rows, heading, arguments.json, details=details)
    return 0


def _judge(case: Case, bundle: Bundle, device: torch.device, seed: int) -> dict[str, Any]:
    """Figures of a patient, and the masks that were evaluated for them."""
    evaluated, lock = 0, Lock()

    def add(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal evaluated
        with lock:
            evaluated += len(inputs[0])

    hooks = [denoiser.register_forward_pre_hook(add) for denoiser in bundle.networks.denoisers]
    try:
        slices = brain_slices(case)
        started = time.perf_counter()
        results = list(segment(case, bundle, slices=slices, seed=seed, device=str(device)))
        seconds = time.perf_counter() - started
    finally:
        for hook in hooks:
            hook.remove()
    sampling = bundle.settings.sampling
    figures = patient_figures(case, results, slices, sampling, samples=sampling.samples, has_maps=bundle.has_inter)
    return {"evaluations": evaluated, "seconds": seconds} | {name: figures["values"][name] for name in SHOWN}


def _row(name: str, entries: list[dict[str, Any]], first: dict[str, dict[str, Any]]) -> Row:
    row: dict[str, object] = {"first guess": name}
    for figure in ("evaluations", "seconds", *SHOWN):
        values = np.array([entry[figure] for entry in entries if entry[figure] is not None], float)
        row[figure] = round(float(values.mean()), 4)
    lost = np.array([first[entry["case"]]["dice_volume"] - entry["dice_volume"] for entry in entries])
    low, high = bootstrap_interval(lost)
    row["Dice lost"] = f"{lost.mean():.4f} ({low:.4f} to {high:.4f})"
    row["most lost"] = round(float(lost.max()), 4)
    return row


if __name__ == "__main__":
    sys.exit(main())
