"""The pipeline: a case and a model in, a stream of slice results out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event

import numpy as np
import torch

from napari_ddmd.case import Case
from napari_ddmd.case_sampler import CancelledError, CaseSampler
from napari_ddmd.device import default_batch_size, pick_device
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.samplers import SAMPLERS
from napari_ddmd.results import Progress, SliceResult

__all__ = ["SAMPLERS", "InferenceError", "Progress", "SliceResult", "brain_slices", "segment"]


class InferenceError(Exception):
    """A run that could not be finished; the message is one line. Never a RuntimeError (threads swallow those)."""


def brain_slices(case: Case) -> list[int]:
    """Numbers of the slices that hold any brain, ascending."""
    return [int(index) for index in np.flatnonzero(case.brain.any(axis=(1, 2)))]


def segment(
    case: Case,
    bundle: Bundle,
    *,
    slices: Sequence[int] | None = None,
    samples: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
    cancel: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[SliceResult]:
    """Segment a case slice by slice.

    The noise of a mask depends on the seed, the slice and the mask's number alone, so that the same request gives the
    same mask whichever slices it comes with.

    Parameters
    ----------
    case, bundle
        The patient and the model.
    slices
        Slices of the axial grid, in the order in which they are wanted; None means all that hold brain.
    samples, steps, sampler
        Masks a slice, denoiser evaluations a mask, and how they are spent; None means the model's own choice.
    seed
        Of the sampled noise.
    device
        ``auto``, ``cuda``, ``mps`` or ``cpu``.
    batch_size
        Slices at once; halved by itself when the memory does not suffice.
    cancel
        When set, the stream ends before the next denoiser evaluation.
    progress
        Called after every denoiser evaluation, from the thread that iterates.

    Yields
    ------
    SliceResult
        One for every slice that was asked for, in order.

    Raises
    ------
    ValueError
        If a setting is out of range, before anything is computed.
    InferenceError
        If the networks fail, or one slice alone does not fit into memory.
    """
    chosen = pick_device(device)
    run = CaseSampler(
        case=case,
        bundle=bundle,
        device=chosen,
        samples=samples,
        steps=steps,
        sampler=sampler,
        seed=seed,
        cancel=cancel,
        progress=progress,
    )
    wanted = brain_slices(case) if slices is None else [int(index) for index in slices]
    size = default_batch_size(chosen) if batch_size is None else batch_size
    run.check(wanted, size)
    return _stream(run, wanted, size)


def _stream(run: CaseSampler, slices: list[int], batch_size: int) -> Iterator[SliceResult]:
    """Prepare the case, then sample batch after batch."""
    brain = run.case.brain
    full = {index for index in slices if brain[index].any()}
    run.total = len(full) * run.samples * run.steps
    run.started = time.perf_counter()
    try:
        run.prepare()
        position = 0
        while position < len(slices) and not run.cancel.is_set():
            chunk = slices[position : position + batch_size]
            done_before = run.done
            try:
                results = run.results([index for index in chunk if index in full])
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error) or batch_size == 1:
                    raise
                batch_size //= 2
                run.done = done_before
                _release(run.device)
                continue
            position += len(chunk)
            for index in chunk:
                yield results[index] if index in full else run.empty(index)
    except CancelledError:
        return
    except (RuntimeError, MemoryError) as error:
        raise InferenceError(_explain(run, error)) from error


def _explain(run: CaseSampler, error: BaseException) -> str:
    if _out_of_memory(error):
        return (
            f"{run.case.name}: not enough memory on {run.device} for one slice with {run.samples} samples; "
            "ask for fewer samples or choose another device"
        )
    reason = " ".join(str(error).split())[:300]
    return f"{run.case.name}: {run.bundle.name} failed on {run.device}: {reason}"


def _out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
