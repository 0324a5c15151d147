"""How far masks are from each other that other processors, precisions and numbers of threads compute.

Each setting runs in a process of its own: libraries read what they may use of a processor when they are loaded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared import USER_ERRORS, Row, add_case, add_model, count, fault, finish, machine, open_case, parser
from napari_ddmd.case import Case, CaseError
from napari_ddmd.model import load_bundle
from napari_ddmd.segment import segment

SETTINGS: dict[str, dict[str, str]] = {
    "as it is": {},
    "3 threads": {"OMP_NUM_THREADS": "3"},
    "torch: no vectors": {"ATEN_CPU_CAPABILITY": "default"},
    "oneDNN: AVX": {"ONEDNN_MAX_CPU_ISA": "AVX"},
    "oneDNN: SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "MKL: any processor": {"MKL_CBWR": "COMPATIBLE"},
    "the least of all": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "bfloat16": {},
}
"""What libraries are told by the environment; the first is what the others are compared with."""

Masks = dict[str, NDArray[np.float32]]


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_model(options)
    add_case(options)
    options.add_argument("--slices", type=count, default=16, help="how many, evenly over the lesion and 6 around it")
    options.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    try:
        if arguments.child:
            dtype, out = arguments.child
            np.savez(out, allow_pickle=False, **_masks(arguments, getattr(torch, dtype)))
            return 0
        return _compare(arguments)
    except USER_ERRORS as error:
        return fault(error)


def _compare(arguments: argparse.Namespace) -> int:
    if arguments.case is not None:
        open_case(arguments.case)  # what is wrong with it is told once, and not by each process
    rows: list[Row] = []
    first: Masks = {}
    for name, environment in SETTINGS.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        found = _elsewhere("bfloat16" if name == "bfloat16" else "float32", environment)
        first = first or found
        rows.append(_row(name, found, first))
    finish(rows, {"machine": machine(torch.device("cpu")), "run": {"slices": arguments.slices}}, arguments.json)
    return 0


def _row(name: str, found: Masks, first: Masks) -> Row:
    mask, other = found["probability"] > 0.5, first["probability"] > 0.5
    return {
        "setting": name,
        "probability differs by": f"{abs(found['probability'] - first['probability']).max():.1e}",
        "sample differs by": f"{abs(found['samples'] - first['samples']).max():.1e}",
        "map differs by": f"{abs(found['inter'] - first['inter']).max():.1e}",
        "voxels of the mask that differ": int((mask != other).sum()),
        "of": int(other.sum()),
    }


def _elsewhere(dtype: str, environment: dict[str, str]) -> Masks:
    with tempfile.TemporaryDirectory(prefix="napari-ddmd-processors-") as folder:
        out = Path(folder) / "masks.npz"
        command = [sys.executable, "-m", "benchmarks.processors", *sys.argv[1:], "--child", dtype, str(out)]
        # This very module, with settings of its own: nothing of it comes from outside.
        done = subprocess.run(command, env={**os.environ, **environment}, check=False)  # nosec B603
        if done.returncode != 0:
            raise CaseError("the run with these settings failed, as it says above")
        with np.load(out, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def _masks(arguments: argparse.Namespace, dtype: torch.dtype) -> Masks:
    for user in ("masks", "workers"):  # whatever this processor multiplies
        setattr(import_module(f"napari_ddmd.{user}"), "inference_dtype", lambda _device: dtype)  # noqa: B010
    case = open_case(arguments.case)
    bundle = load_bundle(arguments.model)
    slices = _slices(case, arguments.slices)
    found = list(segment(case, bundle, slices=slices, seed=arguments.seed, device="cpu"))
    return {name: np.stack([getattr(result, name) for result in found]) for name in ("probability", "samples", "inter")}


def _slices(case: Case, number: int) -> list[int]:
    lesion = case.brain_slices if case.mask is None else np.flatnonzero(case.mask.any(axis=(1, 2))).tolist()
    first, last = max(lesion[0] - 6, 0), min(lesion[-1] + 6, case.images.shape[1] - 1)
    return sorted(set(np.linspace(first, last, number).round().astype(int).tolist()))


if __name__ == "__main__":
    sys.exit(main())
