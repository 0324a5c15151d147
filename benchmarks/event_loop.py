"""Let a window live while a benchmark waits."""

from __future__ import annotations

from collections.abc import Callable


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(is_so: Callable[[], bool], every_ms: int = 20) -> None:
    """Let the window live until something is so."""
    while not is_so():
        wait(every_ms)
