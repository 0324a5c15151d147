"""Room for the panel on a small screen."""

from __future__ import annotations

from typing import Final

from napari.utils.notifications import show_info
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QDockWidget, QWidget

# What napari, its two lists of layers and the panel need, in pixels as large as the desktop makes them.
_ALL: Final = QSize(1000, 630)
# The same without napari's controls of a layer.
_WITH_LIST: Final = QSize(960, 420)


def make_room(window: QWidget) -> None:
    """Put napari's lists of layers away where the screen is too small for them beside the panel.

    A window never becomes smaller than what is in it: the panel would lie outside of the screen. napari's menu
    *Window* brings the lists back.

    Parameters
    ----------
    window : QWidget
        Of napari.
    """
    screen = window.screen()
    if screen is None:
        return
    size = screen.availableGeometry().size()
    hidden: list[str] = []
    for name, needed in (("layer controls", _ALL), ("layer list", _WITH_LIST)):
        if size.boundedTo(needed) != needed:
            for dock in window.findChildren(QDockWidget, name):
                dock.hide()
                hidden.append(name)
    if hidden:
        show_info(f"Put away for want of room: {' and '.join(hidden)}. The menu Window brings them back.")
