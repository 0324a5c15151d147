"""The anatomical plane, and the list of keys."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ddmd.viewer.keys import Key
from napari_ddmd.viewer.planes import SIDES, Plane


class PlaneBox(QWidget):
    """Three buttons for the planes, and one that lists the keys.

    Signals
    -------
    plane_chosen
        A `Plane`.
    keys_wanted
        The list of keys was asked for.
    """

    plane_chosen = Signal(object)
    keys_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons = {plane: QPushButton(plane.capitalize()) for plane in Plane}
        self.keys_button = QPushButton("Keys")
        self.keys_button.setToolTip("What the keyboard does")
        self.keys_button.clicked.connect(self.keys_wanted)
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for plane, button in self.buttons.items():
            left, right, top, bottom = SIDES[plane]
            button.setCheckable(True)
            button.setToolTip(
                f"{plane.capitalize()}: {left} on the left, {right} on the right, {top} up, {bottom} down"
            )
            self._group.addButton(button)
            layout.addWidget(button, 1)
        layout.addWidget(self.keys_button)
        self.show_plane(Plane.AXIAL)
        self._group.buttonClicked.connect(self._on_clicked)

    def show_plane(self, plane: Plane | None) -> None:
        """Mark the plane that is on screen, none where it is another view."""
        self._group.setExclusive(False)
        for kind, button in self.buttons.items():
            button.setChecked(kind is plane)
        self._group.setExclusive(True)

    def _on_clicked(self, button: Any) -> None:
        self.plane_chosen.emit(next(plane for plane, other in self.buttons.items() if other is button))


class KeysDialog(QDialog):
    """All keys, beside what they do.

    Parameters
    ----------
    keys : list of Key
        The panel's own.
    """

    def __init__(self, keys: list[Key], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and mouse")
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        rows = [(key.name, key.does) for key in keys]
        rows += [
            ("Ctrl+Z, Ctrl+Shift+Z", "undo and redo on the lesion layer: painting, tools, thresholds, runs"),
            ("right drag", "window (sideways) and level (up is brighter) of the image under the mouse"),
            ("right double click", "window and level as at first"),
        ]
        for row, (name, does) in enumerate(rows):
            grid.addWidget(QLabel(f"<b>{name}</b>"), row, 0)
            grid.addWidget(QLabel(does), row, 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        layout.addWidget(buttons)
