"""Starts a run in another thread, hears its results, and stops it however the panel goes away."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QObject, QThreadPool, QTimer, Signal

from napari_ddmd.viewer.run_stream import RunOutcome, RunState, stream
from napari_ddmd.viewer.widgets.handed_over import HandedOver

if TYPE_CHECKING:
    from napari_ddmd.segment import Progress, SliceResult
    from napari_ddmd.viewer.run_settings import RunRequest


# Results that come in faster than the window takes them would keep it from all else: it takes them for so long, then
# looks up, then goes on.
_AT_ONCE_S, _PAUSE_MS = 0.02, 10
# A run holds one of Qt's threads for minutes, and on a computer with one core there is no other: to save, to measure or
# to read a case would wait until it has ended.
_LEAST_THREADS = 4


class _RunWorker(GeneratorWorker):  # type: ignore[misc]
    """A worker whose `quit`, which napari calls when its window closes, ends the run at once."""

    cancel: Event

    def quit(self) -> None:
        self.cancel.set()
        super().quit()

    def work(self) -> Any:
        """Run, and close the run's generator where it was left in the middle, so that its threads end."""
        try:
            return super().work()
        finally:
            self._gen.close()


def _run(_name: str, given: HandedOver) -> Generator[SliceResult, None, RunOutcome]:
    return (yield from stream(*given.take()))


class _Segmentation(partial[Any]):
    """The run's function, under the name that napari shows when its window is closed in mid-run."""

    def __str__(self) -> str:
        return f"segmentation of {self.args[0]}"


class _Stop:
    """Stops the run that is on, if any."""

    worker: Any = None

    def now(self) -> None:
        if self.worker is not None:
            self.worker.quit()


class RunController(QObject):
    """One run at a time.

    Signals
    -------
    arrived
        A `SliceResult`, in the main thread.
    ended
        The `RunOutcome`.
    """

    arrived = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        pool = QThreadPool.globalInstance()
        assert pool is not None
        pool.setMaxThreadCount(max(pool.maxThreadCount(), _LEAST_THREADS))
        self.progress: Progress | None = None
        self.remarks: tuple[str, ...] = ()
        self.devices: tuple[str, ...] = ()
        self._worker: Any = None
        self._cancel = Event()
        self._outcome: RunOutcome | None = None
        self._come_in: deque[object] = deque()
        self._is_over = False
        self._pump = QTimer(self)
        self._pump.setInterval(_PAUSE_MS)
        self._pump.timeout.connect(self._hand_on)
        # The panel's closeEvent does not come when its dock is closed, and a method of this object would be
        # disconnected before it tells that it is destroyed.
        self._stop = _Stop()
        self.destroyed.connect(self._stop.now)

    @property
    def is_running(self) -> bool:
        """Whether a run is on, or still winding down after a cancel."""
        return self._worker is not None

    @property
    def is_cancelling(self) -> bool:
        """Whether the run was cancelled and has not stopped yet."""
        return self.is_running and self._cancel.is_set()

    def start(self, request: RunRequest) -> None:
        """Start a run; only when none is on."""
        self.progress, self.remarks, self.devices, self._outcome = None, (), (), None
        self._cancel, self._is_over = Event(), False
        worker = create_worker(
            _Segmentation(_run, request.case.name, HandedOver(request, self._cancel, self._note, self._tell)),
            _start_thread=False,
            _worker_class=_RunWorker,
        )
        worker.cancel = self._cancel
        worker.yielded.connect(self._on_yielded)
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)
        self._worker = self._stop.worker = worker
        worker.start()

    def cancel(self) -> None:
        """Ask the run to end before its next denoiser evaluation; what has come in stays."""
        self._cancel.set()

    def _note(self, progress: Progress) -> None:
        # Called in the run's thread: Qt must not be touched here, the panel's clock reads the value.
        self.progress = progress
        if progress.device not in self.devices:
            self.devices += (progress.device,)

    def _tell(self, remarks: tuple[str, ...]) -> None:
        # The same holds here.
        self.remarks = remarks

    def _on_yielded(self, result: object) -> None:
        self._come_in.append(result)
        if not self._pump.isActive():
            self._pump.start()

    def _hand_on(self) -> None:
        """Pass on what has come in, in order, and the end after the last."""
        until = time.perf_counter() + _AT_ONCE_S
        while self._come_in and time.perf_counter() < until:
            self.arrived.emit(self._come_in.popleft())
        if not self._come_in:
            self._pump.stop()
            if self._is_over:
                self._end()

    def _on_returned(self, outcome: RunOutcome) -> None:
        self._outcome = outcome

    def _on_finished(self) -> None:
        self._is_over = True
        if not self._come_in:
            self._end()

    def _end(self) -> None:
        self._worker = self._stop.worker = None
        # A worker that was told to quit returns nothing.
        outcome, self._outcome = self._outcome or RunOutcome(RunState.CANCELLED), None
        self.ended.emit(outcome)
