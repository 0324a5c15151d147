"""The pipeline: a case and a model in, a stream of slice results out."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from itertools import islice
from queue import SimpleQueue
from threading import Event

import torch

from napari_ddmd.case import Case
from napari_ddmd.case_sampler import CancelledError, CaseSampler
from napari_ddmd.device import pick_device
from napari_ddmd.evened import even_out
from napari_ddmd.faults import is_out_of_memory, plain_reason
from napari_ddmd.footing import Footing
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.samplers import SAMPLERS
from napari_ddmd.results import Progress, SliceResult
from napari_ddmd.workers import workers

__all__ = ["SAMPLERS", "InferenceError", "Progress", "SliceResult", "brain_slices", "segment"]


class InferenceError(Exception):
    """A run that could not be finished; the message is one line. Never a RuntimeError (threads swallow those)."""


def brain_slices(case: Case) -> list[int]:
    """Numbers of the slices that hold any brain, ascending."""
    return list(case.brain_slices)


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
    remark: Callable[[str], None] | None = None,
    in_background: bool = False,
) -> Generator[SliceResult, None, None]:
    """Segment a case slice by slice.

    The noise of a mask depends on the seed, the slice and the mask's number alone, so that the same request gives the
    same mask whichever slices it comes with. Images that are unevenly bright (`Case.findings`, which takes a second
    where it was not asked before) are evened out first, for a model that does (`napari_ddmd.evened`).

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
        ``auto``, ``cuda``, ``mps`` or ``cpu``. With ``auto``, the CPU goes on where a GPU's memory does not suffice for
        one slice; who names a GPU gets its results alone.
    batch_size
        Most slices at once in each thread; halved by itself when the memory does not suffice, and at last one thread
        computes alone.
    cancel
        When set, no denoiser evaluation begins any more, and the stream ends.
    progress
        Called after every step of a batch's masks, from the thread that iterates. Evaluations that are saved
        (`first_guess`) count as done.
    remark
        Called with one line for each thing to which the run had to fall back, and for what it does about uneven images,
        from the thread that iterates.
    in_background
        Leave the processor to whatever else wants it, such as a window that is drawn (on Linux).

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
        in_background=in_background,
    )
    wanted = brain_slices(case) if slices is None else list(slices)
    run.check(wanted, batch_size)
    wanted = [int(index) for index in wanted]
    return _stream(run, wanted, Footing.on(chosen, len(wanted), batch_size), device == "auto", progress, remark)


def _stream(
    run: CaseSampler,
    slices: list[int],
    first: Footing,
    may_leave: bool,
    progress: Callable[[Progress], None] | None,
    remark: Callable[[str], None] | None,
) -> Generator[SliceResult, None, None]:
    """Prepare the case, then sample batch after batch, several at once on a CPU."""
    brain = run.case.brain
    full = {index for index in slices if brain[index].any()}
    run.total = sum(index in full for index in slices) * run.samples * run.steps
    run.started = time.perf_counter()
    try:
        run.read_images()
        place = done = 0
        footing = told = first
        is_even = False
        while place < len(slices) and not run.cancel.is_set():
            run.done, lesser = done, None
            try:
                run.move_to(footing.device)
                if not is_even:
                    even_out(run, footing.threads, remark)
                    is_even = True
                chunks = _chunks(slices[place:], footing, singles=footing.threads if footing == first else 0)
                with closing(_batches(run, chunks, full, footing.threads, progress)) as batches:
                    for chunk, results in batches:
                        if told != footing and remark is not None:
                            remark(footing.remark(first))
                        told = footing
                        place += len(chunk)
                        done += sum(index in full for index in chunk) * run.samples * run.steps
                        for index in chunk:
                            yield results[index] if index in full else run.empty(index)
            except (RuntimeError, MemoryError) as error:
                if is_out_of_memory(error):
                    # A look at uneven images takes one slice at a time already.
                    held = footing if is_even else replace(footing, batch_size=1)
                    lesser = held.lesser(len(slices) - place, may_leave=may_leave)
                if lesser is None:
                    raise
            if lesser is not None:  # when the error is gone, and with it what its frames held
                if lesser.device != footing.device:
                    run.move_to(lesser.device)
                    if remark is not None:  # at once, since it is slow from here on
                        remark(lesser.remark(first))
                    told = lesser
                _release(footing.device)
                footing = lesser
    except CancelledError:
        return
    except (RuntimeError, MemoryError) as error:
        raise InferenceError(_explain(run, error)) from error


def _batches(
    run: CaseSampler,
    chunks: list[list[int]],
    full: set[int],
    threads: int,
    progress: Callable[[Progress], None] | None,
) -> Generator[tuple[list[int], dict[int, SliceResult]], None, None]:
    """Results of batch after batch, in order; twice as many as there are threads are under way or waited for."""
    waiting = iter(chunks)
    news: SimpleQueue[Progress | None] = SimpleQueue()
    run.progress = news.put
    run.abandoned.clear()
    with workers(run.device, threads, in_background=run.in_background) as pool:
        under_way: deque[tuple[list[int], Future[dict[int, SliceResult]]]] = deque()

        def begin(chunk: list[int]) -> None:
            future = pool.submit(run.results, [index for index in chunk if index in full])
            under_way.append((chunk, future))
            future.add_done_callback(lambda _: news.put(None))

        try:
            for chunk in islice(waiting, 2 * threads):
                begin(chunk)
            while under_way:
                chunk, future = under_way.popleft()
                while not (future.done() and news.empty()):
                    message = news.get()
                    if message is not None and progress is not None:
                        progress(message)
                results = future.result()
                for following in islice(waiting, 1):
                    begin(following)
                yield chunk, results
        finally:
            run.abandoned.set()


def _chunks(slices: list[int], footing: Footing, *, singles: int) -> list[list[int]]:
    """Slices of batch after batch; the first ones alone, since somebody may be waiting for them."""
    size = footing.batch_size
    later = [slices[place : place + size] for place in range(singles, len(slices), size)]
    return [[index] for index in slices[:singles]] + later


def _explain(run: CaseSampler, error: BaseException) -> str:
    if is_out_of_memory(error):
        other = (
            "choose another device" if run.device.type == "cpu" else "choose device auto, which goes on with the CPU"
        )
        return (
            f"{run.case.name}: not enough memory on {run.device} for one slice with {run.samples} samples; "
            f"ask for fewer samples or {other}"
        )
    return f"{run.case.name}: {run.bundle.name} failed on {run.device}: {plain_reason(error)}"


def _release(device: torch.device) -> None:
    """Give what torch keeps of a device's memory back to it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
