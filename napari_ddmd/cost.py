"""How long a run will take: from a short measurement, corrected by what earlier runs took."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.device import default_batch_size, device_line, pick_device
from napari_ddmd.first_guess import guesses, is_shared
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.run_history import Pace, PastRun, RunHistory
from napari_ddmd.workers import rows_at_once, worker_count, workers

FEW_SLICES = 30
DOUBTFUL = 0.5
"""Share of the slices that a first guess leaves in doubt, before any run: 0.48 of a real case (docs/performance.md).

Who asks for fewer than `FEW_SLICES` looks at a lesion, and all are taken to be in doubt.
"""
_UNMEASURED = {
    "cpu": Pace(voxel_s=8e-8, slice_s=0.02, call_s=0.005, row_s=0.015),
    "other": Pace(voxel_s=8e-8, slice_s=0.01, call_s=0.02, row_s=0.001),
}
"""Guesses that stand until something is measured; the estimate is then a range, `_UNSURE` times either way."""
_UNSURE = 3.0
_NEAREST, _LATEST = 5, 20
_ALIKE = 5.0
"""Runs of more or less than so many times the seconds teach nothing: a short one is mostly set-up, a long one none."""
_SIDE = 240
_EVENING = 8.0
"""What finding and taking out a bias field takes beside the looks, in preparations of the case: 4 s where one is 0.5 s.

A look is at one slice at a time, in which threads side by side win little: it counts as if one did them all.
"""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run is asked for.

    ``slices`` with brain, how they are sampled, the case's ``(S, H, W)``, and how many slices are looked at before
    (`napari_ddmd.evened.looks_before`).
    """

    slices: int
    samples: int
    steps: int
    sampler: str
    shape: tuple[int, int, int] = (155, _SIDE, _SIDE)
    looks: int = 0


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of a run, and between what they are expected where that is less sure."""

    seconds: float
    low: float
    high: float

    def __str__(self) -> str:
        low, high = rounded(self.low), rounded(self.high)
        return f"about {rounded(self.seconds)}" if low == high else f"{low} to {high}"


def rounded(seconds: float) -> str:
    """A duration no more exactly than it can be foretold: ``8 s``, ``45 s``, ``2 min 10 s``, ``1 h 20 min``."""
    if seconds < 20:
        return f"{max(1, round(seconds))} s"
    if seconds < 87.5:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 595:
        minutes, rest = divmod(10 * round(seconds / 10), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if seconds < 3570:
        return f"{round(seconds / 60)} min"
    hours, minutes = divmod(10 * round(seconds / 600), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def estimate_seconds(
    bundle: Bundle, device: torch.device, work: Work, history: RunHistory | None = None
) -> TimeEstimate:
    """Foretell the seconds of a run.

    The measured pace gives them; the median ratio of what the most similar of the latest runs took to what the pace
    gives for these corrects it. How many slices will be in doubt is foretold by the same runs.

    Parameters
    ----------
    bundle, device
        The model, and where it runs.
    work
        What is asked for.
    history
        Measurements and runs so far; by default those of the user's cache.
    """
    history = RunHistory() if history is None else history
    measured = history.pace(pace_key(bundle, device))
    pace = measured or _UNMEASURED.get(device.type, _UNMEASURED["other"])
    doubtful = 1.0 if work.slices < FEW_SLICES else DOUBTFUL
    plain = _seconds(pace, bundle, device, work, doubtful)
    nearest = _most_similar(history.runs(bundle.sha256, device_line(device)), pace, bundle, device, plain)
    if nearest:
        # A few slices are chosen for their lesion, all of them are not: each tells of its like alone.
        alike = [run for run, _ in nearest if 0.5 <= run.slices / max(1, work.slices) <= 2]
        shares = [share for run in alike if (share := _doubtful(bundle, run)) is not None]
        doubtful = statistics.median(shares) if shares else doubtful
        ratio = statistics.median(min(10.0, max(0.1, run.seconds / foretold)) for run, foretold in nearest)
        plain = ratio * _seconds(pace, bundle, device, work, doubtful)
    unsure = 1.0 if measured or nearest else _UNSURE
    return TimeEstimate(plain, plain / unsure, plain * unsure)


def pace_key(bundle: Bundle, device: torch.device) -> str:
    """What a pace depends on: weights, device, slices at a time, and the versions of this package and of torch."""
    size = default_batch_size(device)
    return f"{bundle.sha256} {device_line(device)} x{size} {version('napari-ddmd')} {torch.__version__}"


def calibrate(bundle: Bundle, device: torch.device, history: RunHistory | None = None) -> Pace:
    """The pace of a model on a device, measured once and then kept."""
    history = RunHistory() if history is None else history
    key = pace_key(bundle, device)
    pace = history.pace(key)
    if pace is None:
        pace = measure_pace(bundle, device)
        history.keep_pace(key, pace)
    return pace


def measure_pace(bundle: Bundle, device: torch.device) -> Pace:
    """Time one batch in each thread, as `napari_ddmd.segment` makes them, on a case of noise; takes about a second."""
    threads, size = worker_count(device), default_batch_size(device)
    depth = threads * size
    rows, columns = np.ogrid[:_SIDE, :_SIDE]
    brain = ((rows - 120) / 90) ** 2 + ((columns - 120) / 70) ** 2 < 1
    noise = np.random.default_rng(0).uniform(1, 500, (len(MODALITIES), depth, _SIDE, _SIDE))
    case = Case.from_arrays("calibration", (noise * brain).astype(np.float32))
    # A copy: the networks themselves may be on another device, in the hands of a run. Of several denoisers, one.
    networks = copy.deepcopy(bundle.networks)
    del networks.partners[:]
    alone = replace(bundle.settings, denoiser=replace(bundle.settings.denoiser, members=1))
    own = replace(bundle, settings=alone, networks=networks)
    batches = [list(range(first, first + size)) for first in range(0, depth, size)]

    def sampler(kind: type[CaseSampler], samples: int) -> CaseSampler:
        return kind(case=case, bundle=own, device=device, samples=samples, steps=1, sampler="ddim", seed=0)

    # As many masks as one call evaluates, where it takes several: what they take longer is then theirs alone.
    most = rows_at_once(device)
    masks = 5 if most is None or most < size else max(2, most // size)
    bare, one, many = sampler(_WithoutMasks, 1), sampler(CaseSampler, 1), sampler(CaseSampler, masks)
    preparing = min(_timed(run.prepare) for run in (bare, one, many))
    with workers(device) as pool:

        def side_by_side(run: CaseSampler) -> float:
            return _timed(lambda: list(pool.map(run.results, batches)))

        side_by_side(one)  # the first evaluation sets libraries up
        without, with_one, with_many = (_fastest(side_by_side, run) for run in (bare, one, many))
        by_itself = _fastest(lambda run: _timed(lambda: pool.submit(run.results, batches[0]).result()), many)
    row_s = max(0.0, with_many - with_one) / ((masks - 1) * size)
    calls = math.ceil(size / (most or size))
    return Pace(
        voxel_s=preparing / (depth * _SIDE**2),
        slice_s=without / size,
        call_s=max(0.0, with_one - without - row_s * size) / calls,
        row_s=row_s,
        alone=min(1.0, by_itself / with_many),
    )


def past_run(bundle: Bundle, device: str, work: Work, *, computed: int, seconds: float) -> PastRun:
    """What is kept of a finished run."""
    return PastRun(
        model=bundle.sha256,
        device=device_line(pick_device(device)),
        slices=work.slices,
        samples=work.samples,
        steps=work.steps,
        sampler=work.sampler,
        voxels=math.prod(work.shape),
        computed=computed,
        seconds=seconds,
    )


class _WithoutMasks(CaseSampler):
    """All that a slice needs but the sampling."""

    def masks(self, indices: list[int], conditioning: Tensor, **_: object) -> Tensor:
        return torch.zeros(len(indices), self.samples, *conditioning.shape[2:], device=conditioning.device)


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _fastest(measure: Callable[[CaseSampler], float], run: CaseSampler) -> float:
    """The fastest of three: what else the computer does can only slow a measurement; one does if it takes long."""
    first = measure(run)
    return first if first > 0.5 else min(first, measure(run), measure(run))


def _seconds(pace: Pace, bundle: Bundle, device: torch.device, work: Work | PastRun, doubtful: float) -> float:
    """What the pace alone gives."""
    threads, most = worker_count(device), rows_at_once(device)
    size = max(1, min(default_batch_size(device), math.ceil(work.slices / threads)))
    voxels = work.voxels if isinstance(work, PastRun) else math.prod(work.shape)

    first = guesses(bundle.settings, work.samples)

    def call(rows: float) -> float:
        each = rows / first  # denoisers that take turns are called apart
        return pace.call_s * first * math.ceil(each / (most or max(each, 1))) + pace.row_s * rows

    masks = size * work.samples
    if is_shared(bundle.settings, work.sampler, work.steps):
        evaluations = call(size * first) + (work.steps - 1) * call(masks * doubtful)
    else:
        evaluations = work.steps * call(masks)
    turns = max(1.0, work.slices / size / threads)
    side_by_side = 1.0 if work.slices > size else pace.alone
    evening = 0.0
    if isinstance(work, Work) and work.looks:  # runs that were evened are not learned from
        evening = _EVENING * pace.voxel_s * voxels + work.looks * (pace.slice_s + pace.call_s + pace.row_s)
    return pace.voxel_s * voxels + side_by_side * turns * (size * pace.slice_s + evaluations) + evening


def _doubtful(bundle: Bundle, run: PastRun) -> float | None:
    """Share of a run's slices that did not end with their first guess; None where none could."""
    most = run.slices * run.samples * (run.steps - 1)
    if most == 0 or not is_shared(bundle.settings, run.sampler, run.steps):
        return None
    first = run.slices * guesses(bundle.settings, run.samples)
    return min(1.0, max(0.0, (run.computed - first) / most))


def _most_similar(
    runs: Sequence[PastRun], pace: Pace, bundle: Bundle, device: torch.device, seconds: float
) -> list[tuple[PastRun, float]]:
    """The latest runs of about as many seconds, each with what the pace alone gives for it."""
    found = []
    for run in runs[-_LATEST:]:
        share = _doubtful(bundle, run)
        found.append((run, _seconds(pace, bundle, device, run, 1.0 if share is None else share)))
    found = [entry for entry in found if 1 / _ALIKE < entry[1] / max(seconds, 1e-9) < _ALIKE]
    return sorted(found, key=lambda entry: abs(math.log(entry[1] / seconds)))[:_NEAREST]
