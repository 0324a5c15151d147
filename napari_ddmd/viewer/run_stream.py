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
    """How a run ended, and why where it failed.

    Attributes
    ----------
    state : RunState
        How it ended.
    error : Exception or None
        What made it fail.
    is_refused : bool
        Whether the pipeline turned the settings down before it computed anything.
    """

    state: RunState
    error: Exception | None = None
    is_refused: bool = False

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
        from napari_ddmd.case import CaseError
        from napari_ddmd.device import DeviceError
        from napari_ddmd.model import BundleError
        from napari_ddmd.segment import InferenceError

        worded = InferenceError | DeviceError | CaseError | BundleError | OSError | MemoryError
        return self.is_refused or isinstance(self.error, worded)


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
    is_accepted = False
    try:
        from napari_ddmd.segment import segment

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
            progress=report,
        )
        is_accepted = True
        yield from results
    except Exception as error:
        # The call checks the settings; a ValueError that comes later is a bug, and needs its traceback.
        return RunOutcome(RunState.FAILED, error, is_refused=not is_accepted and isinstance(error, ValueError))
    return RunOutcome(RunState.CANCELLED if cancel.is_set() else RunState.FINISHED)
