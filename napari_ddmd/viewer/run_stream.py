"""The run itself, away from Qt: a generator that never raises, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING

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
    """How a run ended, and why where it failed."""

    state: RunState
    error: Exception | None = None

    @property
    def reason(self) -> str:
        """The failure in one line; empty for a run that did not fail."""
        if self.error is None:
            return ""
        text = " ".join(str(self.error).split())
        return text or type(self.error).__name__

    @property
    def is_expected(self) -> bool:
        """Whether the error is one that the package words for the user, so that a traceback adds nothing."""
        from napari_ddmd.segment import InferenceError

        return isinstance(self.error, InferenceError | ValueError | OSError | MemoryError)


def stream(
    request: RunRequest, cancel: Event, report: Callable[[Progress], None]
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

    Yields
    ------
    SliceResult
        One for each slice, as soon as it is there.

    Returns
    -------
    RunOutcome
        How the run ended.
    """
    try:
        from napari_ddmd.segment import segment

        sampling = request.sampling
        yield from segment(
            request.case,
            request.bundle,
            slices=request.slices,
            samples=sampling.samples,
            steps=sampling.steps,
            sampler=sampling.sampler,
            seed=sampling.seed,
            device=sampling.device,
            cancel=cancel,
            progress=report,
        )
    except Exception as error:
        return RunOutcome(RunState.FAILED, error)
    return RunOutcome(RunState.CANCELLED if cancel.is_set() else RunState.FINISHED)
