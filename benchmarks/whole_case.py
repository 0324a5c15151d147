"""Where the seconds and the memory of a whole case go: start, read, segment, save, in a process of its own.

With ``--share``, only that part of the slices is segmented, to see whether the memory depends on their number.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.shared import USER_ERRORS, Row, add_case, add_model, count, fault, finish, machine, model_line, parser
from napari_ddmd.case import CaseError, load_case
from napari_ddmd.cut import Cut
from napari_ddmd.device import pick_device
from napari_ddmd.model.library import load_bundle
from napari_ddmd.synthetic import write_case

_CHILD = """
import json, sys, time
started = time.perf_counter()
import torch, psutil
seconds = {"import torch": time.perf_counter() - started}
process = psutil.Process()
bare = process.memory_info().rss
last = time.perf_counter()
from benchmarks.whole_case import run
print(json.dumps(run(sys.argv[1:], seconds, bare, started, last)))
"""


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_model(options)
    add_case(options)
    options.add_argument("--repeats", type=count, default=3, help="processes for each row; the median counts")
    options.add_argument("--share", type=_share, nargs="+", default=[1.0, 0.25], help="parts of the slices, a row each")
    arguments = options.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="napari-ddmd-case-") as folder:
            return _compare(arguments, Path(folder))
    except USER_ERRORS as error:
        return fault(error)


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return share


def _compare(arguments: argparse.Namespace, folder: Path) -> int:
    device = pick_device(arguments.device)
    case = arguments.case or write_case(folder / "synthetic")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_case(case)  # what is wrong with it is told once, and not by each process
    rows: list[Row] = []
    for share in arguments.share:
        taken = []
        for turn in range(arguments.repeats):
            print(f"share {share:g}, process {turn + 1} of {arguments.repeats}", file=sys.stderr, flush=True)
            taken.append(_child(arguments, case, share, folder / f"out-{share:g}-{turn}"))
        rows.append({name: statistics.median(found[name] for found in taken) for name in taken[0]})
    heading = {
        "machine": machine(device),
        "model": model_line(load_bundle(arguments.model)),
        "case": {"name": case.name},
    }
    finish(rows, heading, arguments.json)
    return 0


def _child(arguments: argparse.Namespace, case: Path, share: float, out: Path) -> dict[str, float]:
    given = [str(case), str(arguments.model), arguments.device, str(arguments.seed), str(share), str(out)]
    # Our own interpreter and program; a path is an argument, which no shell reads.
    done = subprocess.run([sys.executable, "-c", _CHILD, *given], stdout=subprocess.PIPE, text=True, check=False)  # nosec B603
    if done.returncode != 0:
        raise CaseError(f"{case}: the run failed")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run(given: list[str], seconds: dict[str, float], bare: int, started: float, last: float) -> dict[str, float]:
    """One whole case in this process: seconds of each part, and the peak of the memory above ``bare`` bytes.

    The clock showed ``started`` when the process began, and ``last`` when torch had been imported.
    """
    from benchmarks.memory import Watch

    place, model, device, seed, share, out = given
    seconds = {"slices": 0.0} | seconds

    def took(part: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[part], last = now - last, now

    with Watch() as watch:
        from napari_ddmd.export import save_prediction
        from napari_ddmd.segment import brain_slices, segment
        from napari_ddmd.volumes import Volumes

        bundle = load_bundle(model)
        took("import and model")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = load_case(place)
        took("read")
        wanted = brain_slices(case)
        places = np.linspace(0, len(wanted) - 1, max(1, round(float(share) * len(wanted))))
        wanted = [wanted[int(place)] for place in places.round()]
        samples = bundle.settings.sampling.samples
        volumes = Volumes(
            case,
            samples,
            intra=bundle.has_intra,
            inter=bundle.has_inter,
            cut=Cut.of(bundle.settings.sampling),
        )
        first = 0.0
        for result in segment(case, bundle, slices=wanted, seed=int(seed), device=device):
            first = first or time.perf_counter() - last
            volumes.add(result)
        took("segment")
        save_prediction(
            out,
            case,
            bundle,
            volumes,
            settings={},
            device=device,
            seconds=last - started,
            threshold=bundle.settings.sampling.threshold,
        )
        took("save")
    seconds["slices"] = len(wanted)
    seconds["all s"] = last - started
    seconds["first slice after s"] = first
    seconds["peak MiB above torch"] = (watch.peak - bare) / 2**20
    return seconds


if __name__ == "__main__":
    sys.exit(main())
