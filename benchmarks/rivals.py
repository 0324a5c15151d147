"""Seconds a slice of the model's own sampling against the ancestral sampler of all timesteps and one U-Net pass.

The same weights, slices and number of masks; the U-Net is ``unet-tuned`` of the training (the denoiser's own network
without noisy mask and maps, with random weights, which take no other time). These two take turns; the ancestral
sampler comes once, on one slice for each thread. The sampling loop is the own sampling without all that is done before
and after it (framing, normalisation, maps): the seconds in it, of all threads together, divided by their number. The
last row is a matrix product in the same precision: what the processor multiplies in the same run at most.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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
)
from napari_ddmd.case import Case
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.device import default_batch_size, inference_dtype, pick_device
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.library import load_bundle
from napari_ddmd.segment import brain_slices, segment
from napari_ddmd.window import CaseWindow
from napari_ddmd.workers import worker_count, workers
from src_training.baselines.unet_tuned import TunedUNet

SIDE = 2048


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_model(options)
    add_case(options)
    options.add_argument("--repeats", type=count, default=3, help="turns; the median counts")
    options.add_argument("--ancestral-slices", type=count, help="slices of the 1000-step row; by default one a thread")
    arguments = options.parse_args()
    try:
        return measure(arguments)
    except USER_ERRORS as error:
        return fault(error)


def measure(arguments: argparse.Namespace) -> int:
    """Take the figures."""
    device = pick_device(arguments.device)
    bundle, case = load_bundle(arguments.model), open_case(arguments.case)
    slices = brain_slices(case)
    own: list[float] = []
    unet: list[float] = []
    product: list[float] = []
    loop: list[float] = []
    counter, sampling = _Counter(bundle), _Sampling()
    network = TunedUNet(bundle.settings).eval().to(device).to(memory_format=torch.channels_last)
    for turn in range(arguments.repeats + 1):  # the first is slower: libraries are loaded, memory is fetched
        print(f"turn {turn} of {arguments.repeats}", file=sys.stderr, flush=True)
        with counter, sampling:
            own.append(_seconds(lambda: list(segment(case, bundle, slices=slices, device=str(device)))))
        loop.append(sampling.seconds / worker_count(device))
        unet.append(_seconds(lambda: _pass(network, case, bundle, slices, device)))
        product.append(_flop_rate(device))
    number = arguments.ancestral_slices or worker_count(device)
    few = slices[:: max(1, len(slices) // number)][:number]
    print(f"{bundle.settings.diffusion.timesteps} steps on {len(few)} slices", file=sys.stderr, flush=True)

    def faithful() -> object:
        steps = bundle.settings.diffusion.timesteps
        return list(segment(case, bundle, slices=few, sampler="ddpm", steps=steps, batch_size=1, device=str(device)))

    ancestral = _seconds(faithful) / len(few)
    mine = statistics.median(own[1:]) / len(slices)
    plain = statistics.median(unet[1:]) / len(slices)
    peak = statistics.median(product[1:])
    operations, inside = counter.flops / (arguments.repeats + 1), statistics.median(loop[1:])
    rows = [
        _row("own sampling, maps and all", mine, mine, operations / (mine * len(slices)), peak),
        _row("of it the sampling loop", inside / len(slices), mine, operations / inside, peak),
        _row("one U-Net pass", plain, mine, None, peak),
        _row("ancestral, all timesteps", ancestral, mine, None, peak),
        _row(f"product of {SIDE} x {SIDE}", None, mine, peak, peak),
    ]
    facts = {
        "name": case.name,
        "slices": len(slices),
        "ancestral slices": len(few),
        "repeats": arguments.repeats,
        "denoiser evaluations of a mask": counter.rows // (arguments.repeats + 1),
        "own / U-Net": round(mine / plain, 2),
    }
    finish(rows, {"machine": machine(device), "model": model_line(bundle), "case": facts}, arguments.json)
    return 0


def _row(what: str, seconds: float | None, own: float, rate: float | None, peak: float) -> Row:
    return {
        "what": what,
        "s / slice": seconds,
        "x own": None if seconds is None else seconds / own,
        "GFLOP/s": None if rate is None else rate / 1e9,
        "of product": None if rate is None else rate / peak,
    }


class _Counter:
    """Counts the masks that the denoiser evaluates, and the operations that they take, without those of the maps."""

    def __init__(self, bundle: Bundle) -> None:
        self.denoisers = bundle.networks.denoisers
        one = self.denoisers[0]
        channels = one.unet.config["in_channels"] // one.patch**2 - 1
        side = bundle.settings.frame.size
        with FlopCounterMode(display=False) as found, torch.no_grad():
            one(torch.zeros(1, 1, side, side), torch.zeros(1).long(), torch.zeros(1, channels, side, side))
        self.each, self.rows, self._lock = int(found.get_total_flops()), 0, Lock()

    @property
    def flops(self) -> int:
        """Multiplications and additions so far."""
        return self.each * self.rows

    def __enter__(self) -> None:
        def add(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            with self._lock:
                self.rows += len(inputs[0])

        self._hooks = [denoiser.register_forward_pre_hook(add) for denoiser in self.denoisers]

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()


class _Sampling:
    """Adds up the seconds that all threads are in the sampling of masks, from when it is entered."""

    def __init__(self) -> None:
        self.seconds, self._lock = 0.0, Lock()

    def __enter__(self) -> None:
        self.seconds, plain = 0.0, CaseSampler.masks

        def timed(*arguments: Any, **settings: Any) -> torch.Tensor:
            started = time.perf_counter()
            masks = plain(*arguments, **settings)
            with self._lock:
                self.seconds += time.perf_counter() - started
            return masks

        self._patch = patch.object(CaseSampler, "masks", timed)
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


@torch.no_grad()
def _pass(network: nn.Module, case: Case, bundle: Bundle, slices: Sequence[int], device: torch.device) -> object:
    """All slices once through a U-Net, in the batches and threads of `segment`, and back onto the case's grid."""
    window, dtype = CaseWindow(case, bundle.settings), inference_dtype(device)

    def one(rows: list[int]) -> object:
        with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            probability = network(window.with_neighbours(rows).to(device)).float().sigmoid()
        return window.on_slices(probability, rows)

    size = default_batch_size(device)
    with workers(device) as pool:
        return list(pool.map(one, [list(slices[place : place + size]) for place in range(0, len(slices), size)]))


def _flop_rate(device: torch.device) -> float:
    """Operations a second of a matrix product."""
    matrix = torch.from_numpy(np.random.default_rng(0).random((SIDE, SIDE), np.float32))
    matrix = matrix.to(device, inference_dtype(device))
    number = 5

    def multiply() -> None:
        for _ in range(number):
            matrix @ matrix
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    multiply()
    return number * 2 * SIDE**3 / _seconds(multiply)


def _seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
