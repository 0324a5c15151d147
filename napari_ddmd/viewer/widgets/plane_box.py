"""Choose the anatomical plane, and ask for the list of keys."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from napari_ddmd.viewer.planes import Plane, sides_of


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
            sides = sides_of(plane)
            button.setCheckable(True)
            button.setToolTip(f"{plane.capitalize()}: {sides.left} on the left, {sides.top} at the top")
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
