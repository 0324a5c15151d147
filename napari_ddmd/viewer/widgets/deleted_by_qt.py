"""Let Qt delete a widget, and not Python's garbage collector before it."""

from __future__ import annotations

from functools import partial
from typing import Final

from qtpy.QtWidgets import QWidget

_going: Final[set[QWidget]] = set()


def delete_by_qt(widget: QWidget) -> None:
    """Delete a widget that is in no window any more, when Qt comes back to its events.

    Until then nothing but the caller may hold the widget. A collection that came in between would delete it while it
    takes apart what its ``destroyed`` signal calls, which ends the process (a segmentation fault in
    ``functools.partial``) or leaves it uncalled.

    Parameters
    ----------
    widget : QWidget
        A widget without a parent.
    """
    _going.add(widget)
    widget.destroyed.connect(partial(_going.discard, widget))
    widget.deleteLater()
