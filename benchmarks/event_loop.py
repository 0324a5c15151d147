"""A real window for benchmarks: opened with a case, and let live while they wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari_ddmd.case import Case

WINDOW = (1500, 940)
"""Pixels of the window that figures are taken in."""


def open_ready(case: Case, size: tuple[int, int]) -> tuple[Any, Any]:
    """Open a window of so many pixels at the largest slice, and wait for its model; gives the viewer and the panel."""
    from napari_ddmd.viewer.launch import largest_slice, open_window
    from napari_ddmd.viewer.navigation import go_to_slice

    viewer, panel = open_window(case)
    viewer.window.resize(*size)
    go_to_slice(viewer, case, largest_slice(case))
    wait_until(lambda: panel.model_box.bundle is not None)
    return viewer, panel


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_until(is_so: Callable[[], bool], every_ms: int = 20, limit_s: float = 600) -> None:
    """Let the window live until something is so; a run that has failed must not be waited for for ever."""
    until = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"the window did not come to what is measured within {limit_s:.0f} s")
        wait(every_ms)
