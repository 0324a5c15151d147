"""A click on a button or a slider leaves the keyboard where it was: the arrow keys go on walking through slices."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSlider, QWidget


def leave_keys_when_clicked(parent: QWidget) -> None:
    """Let buttons and sliders take the focus by the Tab key alone.

    Qt gives it to a button that is clicked, and the arrow keys then go to its neighbours, from one layout or plane to
    the next, or move the threshold that was dragged, while the reader means the next slice.

    Parameters
    ----------
    parent : QWidget
        Whose they are, at any depth.
    """
    for widget in (*parent.findChildren(QAbstractButton), *parent.findChildren(QAbstractSlider)):
        if widget.focusPolicy() & Qt.FocusPolicy.ClickFocus:
            widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
