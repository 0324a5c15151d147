"""Divide the canvas: one image, the four modalities, or what explains the mask."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from napari_ddmd.viewer.four_panels import Arrangement

VIEWS = {
    Arrangement.SINGLE: ("One image", "All layers on top of each other"),
    Arrangement.MODALITIES: (
        "Modalities",
        "The four modalities side by side, each with the lesion",
    ),
    Arrangement.EXPLAIN: (
        "Explain",
        "After a run: FLAIR, both maps (without them the uncertainty) and the probability side by side. The bundled "
        "model's inter map points at the lesion in most patients, its intra map says little",
    ),
}


class ViewBox(QWidget):
    """Three buttons that divide the canvas.

    Signals
    -------
    arrangement_chosen
        An `Arrangement`.
    """

    arrangement_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons = {kind: QPushButton(label) for kind, (label, _tip) in VIEWS.items()}
        group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for kind, button in self.buttons.items():
            button.setCheckable(True)
            button.setToolTip(VIEWS[kind][1])
            group.addButton(button)
            layout.addWidget(button, 1)
        self.buttons[Arrangement.SINGLE].setChecked(True)
        group.buttonClicked.connect(self._on_clicked)

    def set_available(self, kinds: list[Arrangement], shown: Arrangement) -> None:
        """Offer some arrangements, and mark the one that is on screen."""
        for kind, button in self.buttons.items():
            button.setEnabled(kind in kinds)
        self.buttons[shown].setChecked(True)

    def _on_clicked(self, button: QPushButton) -> None:
        kind = next(kind for kind, other in self.buttons.items() if other is button)
        self.arrangement_chosen.emit(kind)
