"""Seconds of `napari_ddmd.segment` by sampler, steps, samples and batch size.

Each setting is changed alone from the model's own, which stand in the first row. The settings take turns, so that a
machine that becomes slower in the meantime slows all of them: the ratios hold where the seconds do not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, replace

import torch

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
    open_case,
    parser,
    sampler,
)
from napari_ddmd.case import Case
from napari_ddmd.device import default_batch_size, pick_device
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.library import load_bundle
from napari_ddmd.segment import brain_slices, segment


@dataclass(frozen=True)
class Setting:
    """What a call of `segment` is asked for."""

    sampler: str
    steps: int
    samples: int
    batch_size: int


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_model(options)
    add_case(options)
    options.add_argument("--samplers", type=sampler, nargs="+", default=["ddim", "dpm-solver++", "ddpm"])
    options.add_argument("--steps", type=count, nargs="+", default=[1, 2, 5, 10])
    options.add_argument("--samples", type=count, nargs="+", default=[1, 5, 10])
    options.add_argument("--batch-sizes", type=count, nargs="+", default=[1, 2, 4, 8, 16])
    options.add_argument("--slices", type=count, default=16, help="slices of each measurement")
    options.add_argument("--repeats", type=count, default=3, help="measurements of each setting; the median counts")
    options.add_argument("--no-whole-case", action="store_true", help="leave out the run over all slices")
    arguments = options.parse_args()
    try:
        return measure(arguments)
    except USER_ERRORS as error:
        return fault(error)


def measure(arguments: argparse.Namespace) -> int:
    """Take the figures that the arguments ask for."""
    device = pick_device(arguments.device)
    bundle = load_bundle(arguments.model)
    case = open_case(arguments.case)
    everything = brain_slices(case)
    some = everything[:: max(1, len(everything) // arguments.slices)][: arguments.slices]
    settings = _settings(bundle, device, arguments)

    run = _Runner(case, bundle, str(device), arguments.seed)
    run.seconds(some[:1], settings[0])  # the first call is slower: libraries are loaded, memory is fetched
    preparing = statistics.median(run.seconds([], settings[0]) for _ in range(arguments.repeats))
    taken: dict[Setting, list[float]] = {setting: [] for setting in settings}
    for turn in range(arguments.repeats):
        for setting in settings:
            print(f"turn {turn + 1} of {arguments.repeats}: {setting}", file=sys.stderr, flush=True)
            taken[setting].append(run.seconds(some, setting))
    whole = None if arguments.no_whole_case else run.seconds(everything, settings[0])

    rows: list[Row] = []
    # Never zero: a tiny model takes less time than the preparation varies by.
    per_slice = {setting: max(statistics.median(taken[setting]) - preparing, 1e-9) / len(some) for setting in settings}
    for setting in settings:
        own = per_slice[setting]
        measured = setting == settings[0] and whole is not None
        rows.append(
            {
                "changed": _change(setting, settings[0]),
                "sampler": setting.sampler,
                "steps": setting.steps,
                "samples": setting.samples,
                "batch": setting.batch_size,
                "s / slice": own,
                "x own": own / per_slice[settings[0]],
                "ms / evaluation": 1000 * own / (setting.steps * setting.samples),
                "whole case s": whole if measured else preparing + own * len(everything),
                "whole case": "measured" if measured else "extrapolated",
            }
        )
    facts = {
        "name": case.name,
        "shape": "x".join(map(str, case.images.shape[1:])),
        "slices with brain": len(everything),
        "slices measured": len(some),
        "repeats": arguments.repeats,
        "seconds of preparation": round(preparing, 3),
    }
    finish(rows, {"machine": machine(device), "model": model_line(bundle), "case": facts}, arguments.json)
    return 0


class _Runner:
    """Times calls of `segment` on one case."""

    def __init__(self, case: Case, bundle: Bundle, device: str, seed: int) -> None:
        self.case, self.bundle, self.device, self.seed = case, bundle, device, seed

    def seconds(self, slices: list[int], setting: Setting) -> float:
        """Seconds of one call; without slices, those of the preparation of a case."""
        started = time.perf_counter()
        for _ in segment(
            self.case,
            self.bundle,
            slices=slices,
            samples=setting.samples,
            steps=setting.steps,
            sampler=setting.sampler,
            batch_size=setting.batch_size,
            seed=self.seed,
            device=self.device,
        ):
            pass  # results are on the CPU when they come, so that nothing is left to wait for
        return time.perf_counter() - started


def _settings(bundle: Bundle, device: torch.device, arguments: argparse.Namespace) -> list[Setting]:
    """The model's own setting, then each change of one thing."""
    sampling = bundle.settings.sampling
    own = Setting(sampling.sampler, sampling.steps, sampling.samples, default_batch_size(device))
    changed = [
        *(replace(own, sampler=name) for name in arguments.samplers),
        *(replace(own, steps=steps) for steps in arguments.steps if steps <= bundle.settings.diffusion.timesteps),
        *(replace(own, samples=samples) for samples in arguments.samples),
        *(replace(own, batch_size=size) for size in arguments.batch_sizes),
    ]
    return list(dict.fromkeys([own, *changed]))


def _change(setting: Setting, own: Setting) -> str:
    names = {"sampler": "sampler", "steps": "steps", "samples": "samples", "batch_size": "batch"}
    return next((title for name, title in names.items() if getattr(setting, name) != getattr(own, name)), "(own)")


if __name__ == "__main__":
    sys.exit(main())
