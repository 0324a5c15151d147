"""A long piece of work that only the window's own thread can do, a step at a time."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import QObject, QTimer, Signal

# Room for the window to draw, and to hear of a click.
_PAUSE_MS = 5


class Steps(QObject):
    """Goes through an iterator, a step a turn of the event loop, so that the window goes on answering.

    Signals
    -------
    done
        The iterator has come to its end.
    failed
        The exception that it has raised.
    """

    done = Signal()
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._steps: Iterator[None] | None = None
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_PAUSE_MS)
        self._clock.timeout.connect(self._step)

    def start(self, steps: Iterator[None]) -> None:
        """Begin with the first step, soon."""
        self.stop()
        self._steps = steps
        self._clock.start()

    def stop(self) -> None:
        """Go no further; a generator is closed, so that it can put back what it has done."""
        steps, self._steps = self._steps, None
        self._clock.stop()
        close = getattr(steps, "close", None)
        if close is not None:
            close()

    def _step(self) -> None:
        if self._steps is None:
            return
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
            self.done.emit()
        except Exception as error:
            self._steps = None
            self.failed.emit(error)
        else:
            self._clock.start()
