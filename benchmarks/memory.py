"""Peak memory of `napari_ddmd.segment` against the estimate of `napari_ddmd.device.estimate_memory`.

Each setting runs in a process of its own, since memory that a process has once held may stay with it.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.lookout import Lookout
from benchmarks.shared import (
    USER_ERRORS,
    Row,
    add_case,
    add_model,
    count,
    fault,
    finish,
    machine,
    model_line,
    parser,
)
from napari_ddmd.case import CaseError, load_case
from napari_ddmd.device import estimate_memory, pick_device
from napari_ddmd.model.bundle import untrained_bundle
from napari_ddmd.model.library import load_bundle
from napari_ddmd.segment import brain_slices, segment
from napari_ddmd.synthetic import write_case
from napari_ddmd.workers import worker_count

_MIB = 2.0**20


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_model(options)
    add_case(options)
    options.add_argument("--samples", type=count, nargs="+", default=[1, 5])
    options.add_argument("--batch-sizes", type=count, nargs="+", default=[1, 5, 16])
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    try:
        if arguments.child:
            print(json.dumps(_measure(arguments)))
            return 0
        with tempfile.TemporaryDirectory(prefix="napari-ddmd-memory-") as folder:
            return _compare(arguments, Path(folder))
    except USER_ERRORS as error:
        return fault(error)


def _compare(arguments: argparse.Namespace, folder: Path) -> int:
    """Run a child for each setting, and put its figures beside the estimate."""
    device = pick_device(arguments.device)
    bundle = load_bundle(arguments.model)
    case = arguments.case
    if case is None:
        print("making the synthetic case ...", file=sys.stderr, flush=True)
        case = write_case(folder / "synthetic")
    rows: list[Row] = []
    for samples in arguments.samples:
        for batch_size in arguments.batch_sizes:
            print(f"{samples} samples, batches of {batch_size} slices", file=sys.stderr, flush=True)
            estimate = estimate_memory(bundle, samples=samples, batch_size=batch_size, device=str(device))
            found = _run_child(arguments, case, samples, batch_size)
            rows.append(
                {
                    "samples": samples,
                    "batch": batch_size,
                    "estimate MiB": round(estimate.needed_mb, 1),
                    "peak MiB": round(found["peak_mb"], 1),
                    "peak / estimate": found["peak_mb"] / estimate.needed_mb,
                    "normalised case MiB": round(found["case_mb"], 1),
                    "peak of the process MiB": round(found["process_mb"], 1),
                }
            )
    finish(rows, {"machine": machine(device), "model": model_line(bundle)}, arguments.json)
    return 0


def _run_child(arguments: argparse.Namespace, case: Path, samples: int, batch_size: int) -> dict[str, float]:
    command = [
        *(sys.executable, "-m", "benchmarks.memory", "--child"),
        *("--model", str(arguments.model), "--case", str(case), "--device", arguments.device),
        *("--seed", str(arguments.seed), "--samples", str(samples), "--batch-sizes", str(batch_size)),
    ]
    # Our own interpreter and program; a path is an argument, which no shell reads.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # nosec B603
    if done.returncode != 0:
        raise CaseError(f"{case}: the run with {samples} samples and batches of {batch_size} failed")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Segment two batches for each thread that computes, and tell how much memory they took above that before.

    On a CPU the normalised copy of the case, as large as the case itself, is in the peak, as in the estimate. On a
    GPU the case stays outside.
    """
    device = pick_device(arguments.device)
    samples, batch_size = arguments.samples[0], arguments.batch_sizes[0]
    case = load_case(arguments.case)
    wanted = brain_slices(case)
    middle = len(wanted) // 2
    half = batch_size * worker_count(device)
    wanted = wanted[max(0, middle - half) : middle + half]
    untrained_bundle()  # loads diffusers, which is no run's memory
    gc.collect()
    with Watch() as watch:
        bundle = load_bundle(arguments.model)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        for _ in segment(
            case,
            bundle,
            slices=wanted,
            samples=samples,
            batch_size=batch_size,
            seed=arguments.seed,
            device=str(device),
        ):
            pass
    if device.type == "cuda":
        peak, copy = torch.cuda.max_memory_allocated(device) / _MIB, 0.0
    else:
        copy = case.images.nbytes / _MIB
        peak = (watch.peak - watch.before) / _MIB
    return {"peak_mb": peak, "case_mb": copy, "process_mb": watch.peak / _MIB}


class Watch(Lookout):
    """Looks at the memory of this process all the time."""

    def __init__(self) -> None:
        super().__init__(every_s=0.001)
        self._process = psutil.Process()
        self.before = self.peak = int(self._process.memory_info().rss)

    def look(self) -> None:
        """Remember the most that was held."""
        self.peak = max(self.peak, int(self._process.memory_info().rss))


if __name__ == "__main__":
    sys.exit(main())
