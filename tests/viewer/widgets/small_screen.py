"""A screen of 1280×800 pixels, whatever the size of letters that the desktop is set to."""

from __future__ import annotations

import os

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QApplication

PIXELS = (1280, 800)
# Desktops offer these.
FACTORS = ("1.25", "1.5", "2")
SCALE = "QT_SCALE_FACTOR"


def small_screen() -> QSize:
    """Return the size of the small screen in Qt's pixels, which are larger where the desktop enlarges.

    Under such a scale, the screen is checked to be that small.
    """
    factor = float(os.environ.get(SCALE, "1"))
    size = QSize(*(int(pixels / factor) for pixels in PIXELS))
    if SCALE in os.environ:
        screen = QApplication.primaryScreen()
        assert screen is not None
        assert screen.devicePixelRatio() == factor
        assert (screen.size() - size).width() in (0, 1)
        assert (screen.size() - size).height() in (0, 1)
    return size
