"""Dice of held-out patients by sampler, steps and samples.

Takes a run of ``python -m src_training --fold cv``: each fold's model segments the patients that it has not seen.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.shared import (
    USER_ERRORS,
    Row,
    count,
    fault,
    finish,
    machine,
    model_line,
    parser,
    sampler,
)
from napari_ddmd.case import Case, CaseError, CaseFiles, find_cases, load_case
from napari_ddmd.device import pick_device
from napari_ddmd.model.bundle import Bundle, BundleError, read_bundle
from src_training.few_steps import Outcome, judge_steps
from src_training.metrics import bootstrap_interval

DATA = "NAPARI_DDMD_DATA"


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    options.add_argument("run", type=Path, help="folder of a training, with fold*/bundle")
    options.add_argument("--data", type=Path, help=f"folder of cases with masks; without it, ${DATA}/brats")
    options.add_argument("--samplers", type=sampler, nargs="+", default=["ddim", "dpm-solver++", "ddpm"])
    options.add_argument("--steps", type=count, nargs="+", default=[1, 2, 3, 5, 10])
    options.add_argument(
        "--pairs",
        type=_pair,
        nargs="+",
        metavar="SAMPLER:STEPS",
        help="these alone, such as ddim:2 ddpm:1000, instead of each sampler with each number of steps",
    )
    options.add_argument("--samples", type=count, nargs="+", default=[1, 2, 5])
    options.add_argument("--cases", type=count, help="stop after this many patients")
    options.add_argument("--folds", nargs="+", help="numbers of the folds; without it, all that the run has")
    options.add_argument(
        "--lesion-slices",
        type=count,
        help="judge only so many slices of a patient, evenly spaced among those with lesion",
    )
    options.add_argument("--batch-size", type=count, help="slices at once; by default what the device takes")
    arguments = options.parse_args()
    try:
        return measure(arguments)
    except USER_ERRORS as error:
        return fault(error)


def measure(arguments: argparse.Namespace) -> int:
    """Take the figures that the arguments ask for."""
    device = pick_device(arguments.device)
    ways = arguments.pairs or [(name, steps) for name in arguments.samplers for steps in arguments.steps]
    outcomes: list[Outcome] = []
    pairs = list(held_out(arguments.run, data_folder(arguments.data), arguments.folds))[: arguments.cases]
    for place, (bundle, files) in enumerate(pairs):
        case = load_case(files)
        slices = None if arguments.lesion_slices is None else _lesion_slices(case, arguments.lesion_slices)
        for name, steps in ways:
            print(f"{place + 1} of {len(pairs)}: {case.name}, {name}, {steps} steps", file=sys.stderr, flush=True)
            outcomes.append(
                judge_steps(
                    case,
                    bundle,
                    sampler=name,
                    steps=steps,
                    samples=arguments.samples,
                    slices=slices,
                    seed=arguments.seed,
                    device=str(device),
                    batch_size=arguments.batch_size,
                )
            )
    by_way = [[outcome for outcome in outcomes if (outcome.sampler, outcome.steps) == way] for way in ways]
    rows: list[Row] = [_row(found, by_way[0]) for found in by_way]
    judged = {
        "run": arguments.run.name,
        "patients": len(pairs),
        "seed": arguments.seed,
        "slices": "all with brain" if arguments.lesion_slices is None else f"{arguments.lesion_slices} with lesion",
    }
    heading = {"machine": machine(device), "model": model_line(pairs[0][0]), "cases": judged}
    finish(rows, heading, arguments.json, details=[asdict(outcome) for outcome in outcomes])
    return 0


def data_folder(folder: Path | None) -> Path:
    """The folder of cases that was given, or that of the environment."""
    if folder is not None:
        return folder
    root = os.environ.get(DATA)
    if not root:
        raise CaseError(f"{DATA} is not set; set it, or give the folder of cases with --data")
    return Path(root) / "brats"


def _lesion_slices(case: Case, number: int) -> list[int]:
    """Slices at the middles of equal parts of those with lesion and brain."""
    assert case.mask is not None
    rows = np.flatnonzero((case.mask > 0).any(axis=(1, 2)) & case.brain.any(axis=(1, 2)))
    return [int(part[len(part) // 2]) for part in np.array_split(rows, min(number, len(rows)))]


def held_out(run: Path, data: Path, folds: list[str] | None) -> Iterator[tuple[Bundle, CaseFiles]]:
    """Each fold's model with the patients that it has not seen."""
    names = ["fold*"] if folds is None else [f"fold{fold}" for fold in folds]
    folders = sorted(path.parent for name in names for path in run.glob(f"{name}/bundle/model.json"))
    if not folders:
        raise BundleError(f"{run}: holds no fold*/bundle; run python -m src_training --fold cv first")
    known = {files.name: files for files in find_cases(data)}
    for folder in folders:
        bundle = read_bundle(folder)
        for name in bundle.provenance["held_out_cases"]:
            if name not in known:
                raise CaseError(f"{data}: has no case {name}, which {folder} holds out; give the training's data")
            if known[name].mask is None:
                raise CaseError(f"{data}: {name} has no expert mask; give the training's data")
            yield bundle, known[name]


def _pair(text: str) -> tuple[str, int]:
    """A sampler and its number of steps."""
    name, _, steps = text.partition(":")
    return sampler(name), count(steps)


def _row(outcomes: list[Outcome], yardstick: list[Outcome]) -> Row:
    """Figures of one way of sampling; its loss is that against the first way, patient by patient."""
    first = outcomes[0]
    row: dict[str, object] = {"sampler": first.sampler, "steps": first.steps}
    for k in first.dices:
        values = np.array([outcome.dices[k] for outcome in outcomes])
        low, high = bootstrap_interval(values)
        row[f"Dice of {k}"] = round(float(values.mean()), 4)
        row[f"95 % of {k}"] = f"{low:.3f} to {high:.3f}"
    row["gain"] = round(float(np.mean([o.dices[max(o.dices)] - o.dices[min(o.dices)] for o in outcomes])), 4)
    most = max(first.dices)
    lost = np.array([a.dices[most] - b.dices[most] for a, b in zip(yardstick, outcomes, strict=True)])
    low, high = bootstrap_interval(lost)
    row["lost"], row["95 % of lost"] = round(float(lost.mean()), 4), f"{low:.3f} to {high:.3f}"
    row["s / case"] = float(np.mean([outcome.seconds for outcome in outcomes]))
    row["patients"] = len(outcomes)
    return row


if __name__ == "__main__":
    sys.exit(main())
