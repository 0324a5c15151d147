"""A button for each modality, which shows it at full size."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QWidget

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.full_size import FullSize
from napari_ddmd.viewer.viewer_links import ViewerLinks


class ModalityBox(QWidget):
    """Four buttons; the one of the modality that is seen at full size is pressed.

    Parameters
    ----------
    desk : Desk
        The case.
    links : ViewerLinks
        Undoes the connections to the viewer.
    full_size : FullSize
        Shows the images.

    Signals
    -------
    modality_chosen
        The modality whose button was clicked.
    """

    modality_chosen = Signal(str)

    def __init__(self, desk: Desk, links: ViewerLinks, full_size: FullSize, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._full_size = desk, full_size
        self._image_links = ViewerLinks()
        self.buttons = {modality: QPushButton(MODALITY_LABELS[modality]) for modality in MODALITIES}
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for modality, button in self.buttons.items():
            button.setCheckable(True)
            button.setToolTip(f"{MODALITY_LABELS[modality]} alone, with whatever lies over it")
            self._group.addButton(button)
            layout.addWidget(button, 1)
        self._group.buttonClicked.connect(self._on_clicked)
        for event in (desk.viewer.layers.events.inserted, desk.viewer.layers.events.removed):
            links.connect(event, self._listen)
        desk.case_changed.connect(self._listen)
        self.destroyed.connect(self._image_links.disconnect)
        self._listen()

    def show_state(self, _event: Any = None) -> None:
        """Offer the images that there are, and mark the one that is seen at full size."""
        images, shown = self._full_size.images(self._desk.case), self._full_size.shown(self._desk.case)
        self._group.setExclusive(False)
        for modality, button in self.buttons.items():
            button.setEnabled(modality in images)
            button.setChecked(modality == shown)
        self._group.setExclusive(True)

    def _listen(self, _event: Any = None) -> None:
        self._image_links.disconnect()
        for image in self._full_size.images(self._desk.case).values():
            self._image_links.connect(image.events.visible, self.show_state)
        self.show_state()

    def _on_clicked(self, button: QPushButton) -> None:
        self.modality_chosen.emit(next(modality for modality, other in self.buttons.items() if other is button))
        self.show_state()  # a click on the one that is shown changes nothing
