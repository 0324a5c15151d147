"""Progress of a run on standard error: one line that is rewritten, or now and then a line in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from napari_ddmd.one_line import one_line
from napari_ddmd.wording import duration

if TYPE_CHECKING:
    from napari_ddmd.segment import Progress

_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 15.0


class ProgressLine:
    """Shows how far a run is; a context manager that clears its line in the end.

    Parameters
    ----------
    title
        Stands before the numbers.
    stream
        Where to write; standard error by default, so that standard output holds results alone.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = one_line(title)
        self.stream = sys.stderr if stream is None else stream
        self.is_terminal = self.stream.isatty()
        self._interval = _TERMINAL_SECONDS if self.is_terminal else _LOG_SECONDS
        self._shown = time.monotonic()
        self._is_dirty = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def update(self, progress: Progress) -> None:
        """Show the progress, unless it was shown a moment ago."""
        now = time.monotonic()
        if now - self._shown < self._interval:
            return
        self._shown = now
        text = f"{self.title}: {progress.done / max(progress.total, 1):.0%}"
        if progress.remaining is not None:
            text += f", {duration(progress.seconds)} so far"
        if progress.left is not None:
            text += f", {duration(progress.left)} left"
        self._clear()
        print(text, end="" if self.is_terminal else "\n", file=self.stream, flush=True)
        self._is_dirty = self.is_terminal

    def note(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        print(one_line(text), file=self.stream, flush=True)

    def _clear(self) -> None:
        if self._is_dirty:
            print("\r\033[K", end="", file=self.stream, flush=True)
            self._is_dirty = False
