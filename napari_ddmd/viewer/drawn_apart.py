"""Change layers, and let the canvas be drawn in a later turn of the event loop: both in one hold up the window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget

_AFTER_MS = 5  # what is due by then, such as what the user has done meanwhile, goes first
_CLOCK = "ddmd_drawn_apart"


@contextmanager
def drawn_apart(viewer: ViewerModel) -> Iterator[None]:
    """Keep the canvas as it is in the block and a moment longer; then it is drawn once, with all that has changed.

    napari asks for a drawing with every layer that is added, also with a hidden one, and Qt draws in the same turn of
    the event loop (`benchmarks.responsiveness` measures such turns).

    Parameters
    ----------
    viewer : ViewerModel
        Whose canvas it is; without a window there is nothing to hold back.
    """
    canvas = _canvas(viewer)
    if canvas is None:
        yield
        return
    clock = _clock_of(canvas)
    clock.stop()  # one that an earlier block has set would end this one
    canvas.setUpdatesEnabled(False)
    try:
        yield
    finally:
        clock.start(_AFTER_MS)


def _clock_of(canvas: QWidget) -> QTimer:
    """The canvas's own clock, which goes with it when its window is closed."""
    for clock in canvas.findChildren(QTimer, _CLOCK):
        return clock
    clock = QTimer(canvas)
    clock.setObjectName(_CLOCK)
    clock.setSingleShot(True)
    clock.timeout.connect(lambda: canvas.setUpdatesEnabled(True))
    return clock


def _canvas(viewer: Any) -> QWidget | None:
    if not hasattr(getattr(viewer, "window", None), "_qt_window"):  # nor has a viewer that was closed
        return None
    canvas: QWidget = viewer.window._qt_viewer.canvas.native
    return canvas
