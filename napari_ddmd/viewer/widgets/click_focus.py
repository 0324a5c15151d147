"""A click on a button leaves the keyboard where it was: the arrow keys go on walking through the slices."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QWidget


def leave_keys_when_clicked(parent: QWidget) -> None:
    """Let buttons take the focus by the Tab key alone.

    Qt gives it to a button that is clicked, and the arrow keys then go to its neighbours: from one layout or plane to
    the next, while the reader means the next slice.

    Parameters
    ----------
    parent : QWidget
        Whose buttons they are, at any depth.
    """
    for button in parent.findChildren(QAbstractButton):
        if button.focusPolicy() & Qt.FocusPolicy.ClickFocus:
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
