"""How a patient fares with one sampler and number of steps: the unit of every curve of Dice against steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.segment import brain_slices, segment
from src_training.metrics import dice


@dataclass(frozen=True)
class Outcome:
    """Figures of one patient under one sampler and number of steps."""

    case: str
    sampler: str
    steps: int
    dices: dict[int, float]
    """Volume Dice of the mean of the first k masks, by k."""
    seconds: float


def judge_steps(
    case: Case,
    bundle: Bundle,
    *,
    sampler: str,
    steps: int,
    samples: Sequence[int],
    slices: Sequence[int] | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
) -> Outcome:
    """Segment once with the most samples: fewer of them are its first ones, since each has noise of its own.

    Parameters
    ----------
    case
        With a mask.
    bundle, sampler, steps, seed, device, batch_size
        As in `napari_ddmd.segment.segment`.
    samples
        Numbers of masks whose mean is judged, cut as the bundle's settings say (`Cut`), small parts kept.
    slices
        Axial slices that are segmented, in ascending order; None means all that hold brain. With some, the Dice is
        that of these alone, and one touches the next; else lesion outside the brain counts as missed.

    Raises
    ------
    ValueError
        If the case has no mask, or a setting is out of range.
    """
    if case.mask is None:
        raise ValueError(f"{case.name}: has no expert mask to be compared with")
    kept = sorted(set(samples))
    lesion = case.mask > 0
    probability = {k: np.zeros(lesion.shape, np.float32) for k in kept}
    started = time.perf_counter()
    for result in segment(
        case,
        bundle,
        slices=brain_slices(case) if slices is None else slices,
        samples=kept[-1],
        steps=steps,
        sampler=sampler,
        seed=seed,
        device=device,
        batch_size=batch_size,
    ):
        for k in kept:
            probability[k][result.index] = result.samples[:k].mean(axis=0)
    seconds = time.perf_counter() - started
    rows = slice(None) if slices is None else list(slices)
    cut = replace(Cut.of(bundle.settings.sampling), min_part=0.0)
    dices = {k: dice(cut.mask(probability[k][rows]), lesion[rows]) for k in kept}
    return Outcome(case.name, sampler, steps, dices, seconds)
