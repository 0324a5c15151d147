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

    A layer that is added takes some 50 to 80 ms on a slow computer, and the drawing that napari asks for, even where
    the layer is hidden, another 30 ms, in the same turn of the event loop.

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
    canvas: QWidget | None = viewer.window._qt_viewer.canvas.native if hasattr(viewer, "window") else None
    return canvas
