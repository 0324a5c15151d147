"""The run itself, away from Qt: a generator that never raises, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING

from napari_ddmd.viewer.freed import free_frames
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari_ddmd.segment import Progress, SliceResult
    from napari_ddmd.viewer.run_settings import RunRequest


class RunState(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended, and why where it failed.

    Attributes
    ----------
    state : RunState
        How it ended.
    error : Exception or None
        What made it fail.
    is_refused : bool
        Whether the pipeline turned the settings down before it computed anything.
    remarks : tuple of str
        What the run had to do without or fall back to, one sentence each.
    """

    state: RunState
    error: Exception | None = None
    is_refused: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The failure in one line; empty for a run that did not fail."""
        if self.error is None:
            return ""
        return reason(self.error)

    @property
    def is_expected(self) -> bool:
        """Whether the error is one that the package words for the user, so that a traceback adds nothing."""
        from napari_ddmd.case import CaseError
        from napari_ddmd.device import DeviceError
        from napari_ddmd.model import BundleError
        from napari_ddmd.segment import InferenceError

        worded = InferenceError | DeviceError | CaseError | BundleError | OSError | MemoryError
        return self.is_refused or isinstance(self.error, worded)

    def let_go(self) -> None:
        """Free what the frames of the error hold, such as images and tensors: who keeps it would keep all of that.

        Where it happened can still be told.
        """
        free_frames(self.error)


def stream(
    request: RunRequest,
    cancel: Event,
    report: Callable[[Progress], None],
    tell: Callable[[tuple[str, ...]], None] | None = None,
) -> Generator[SliceResult, None, RunOutcome]:
    """Segment the slices of a request.

    In a generator worker a ``RuntimeError``, and so torch's out-of-memory error, is swallowed together with
    every signal that the run has ended. Hence nothing is raised here: the outcome is the return value.

    Parameters
    ----------
    request : RunRequest
        What to run.
    cancel : Event
        Set it to end the run before the next denoiser evaluation.
    report : callable
        Given every `Progress`, in the thread that iterates.
    tell : callable, optional
        Given the remarks so far, whenever there is another one.

    Yields
    ------
    SliceResult
        One for each slice, as soon as it is there.

    Returns
    -------
    RunOutcome
        How the run ended.
    """
    is_accepted = False
    remarks: list[str] = []
    latest: Progress | None = None

    def note(progress: Progress) -> None:
        nonlocal latest
        latest = progress
        report(progress)

    def remark(text: str) -> None:
        # A second fallback of a kind makes the first one past.
        kind = text.partition(":")[0]
        remarks[:] = [*(earlier for earlier in remarks if earlier.partition(":")[0] != kind), text]
        if tell is not None:
            tell(tuple(remarks))

    started = time.perf_counter()
    try:
        from napari_ddmd.segment import segment

        lacking = _accept_missing(request)
        sampling = request.sampling
        results = segment(
            request.case,
            request.bundle,
            slices=request.slices,
            samples=sampling.samples,
            steps=sampling.steps,
            sampler=sampling.sampler,
            seed=sampling.seed,
            device=sampling.device,
            cancel=cancel,
            progress=note,
            remark=remark,
            in_background=True,
        )
        is_accepted = True
        remarks += lacking
        yield from results
        if not (cancel.is_set() or len(remarks) > len(lacking)):
            _learn(request, latest, time.perf_counter() - started)
    except Exception as error:
        # The call checks the settings; a ValueError that comes later is a bug, and needs its traceback.
        is_refused = not is_accepted and isinstance(error, ValueError)
        return RunOutcome(RunState.FAILED, error, is_refused, tuple(remarks))
    state = RunState.CANCELLED if cancel.is_set() else RunState.FINISHED
    return RunOutcome(state, remarks=tuple(remarks))


def _accept_missing(request: RunRequest) -> list[str]:
    """What a missing modality costs, where the user wants to run without it."""
    from napari_ddmd.case import MODALITY_LABELS, CaseError
    from napari_ddmd.missing import cost_of_missing, missing_modalities

    lacking = missing_modalities(request.case)
    if len(lacking) > 1 or (lacking and not request.allow_missing):
        names = " and ".join(MODALITY_LABELS[modality] for modality in lacking)
        remedy = "allow the run without it" if len(lacking) == 1 else "open a case that lacks one at most"
        raise CaseError(f"{request.case.name}: no {names} image; choose a layer for it, or {remedy}")
    return [cost_of_missing(modality) for modality in lacking]


def _learn(request: RunRequest, latest: Progress | None, seconds: float) -> None:
    """Keep what a whole run took, so that the next one is foretold better; a run that fell back tells nothing."""
    if latest is None or latest.computed == 0:
        return
    from napari_ddmd.cost import Work, past_run
    from napari_ddmd.run_history import RunHistory

    sampling, brain = request.sampling, request.case.brain
    work = Work(
        slices=sum(bool(brain[index].any()) for index in request.slices),
        samples=sampling.samples,
        steps=sampling.steps,
        sampler=sampling.sampler,
        shape=request.case.grid.shape,
    )
    RunHistory().keep_run(past_run(request.bundle, sampling.device, work, computed=latest.computed, seconds=seconds))
