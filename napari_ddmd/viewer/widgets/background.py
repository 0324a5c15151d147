"""Run a short job in another thread; only the latest one counts."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QThreadPool, Signal
from superqt.utils import create_worker

from napari_ddmd.viewer.widgets.handed_over import HandedOver


class Background(QObject):
    """Jobs of one kind: when a new one is started, the answer of the one before is dropped.

    Signals
    -------
    done
        The answer of the latest job.
    failed
        The exception of the latest job.
    """

    done = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._latest = 0

    def start(self, job: Callable[..., Any], *arguments: Any) -> None:
        """Run ``job(*arguments)`` in another thread."""
        self._latest += 1
        worker = create_worker(_answer, self._latest, HandedOver(job, *arguments), _start_thread=False)
        worker.returned.connect(self._take)
        worker.start()

    def forget(self) -> None:
        """Drop the answer of a job that is still running."""
        self._latest += 1

    def _take(self, answer: tuple[int, Any, Exception | None]) -> None:
        number, value, error = answer
        if number != self._latest:
            return
        if error is None:
            self.done.emit(value)
        else:
            self.failed.emit(error)


def _answer(number: int, given: HandedOver) -> tuple[int, Any, Exception | None]:
    try:
        job, *arguments = given.take()
        return number, job(*arguments), None
    except Exception as error:
        return number, None, error


@atexit.register
def _wait_for_all() -> None:
    """Let jobs come to their end before Python takes Qt's objects away, which a thread that still runs dies of.

    napari waits when its last window is closed; a job may begin after that, by the answer of the one before.
    """
    pool = QThreadPool.globalInstance()
    if pool is not None:
        pool.waitForDone()
