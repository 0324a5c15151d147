"""Tab *Save*: what leaves the window."""

from __future__ import annotations

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.widgets.save_button import Saveable, SaveButton
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column


class SaveTab(QWidget):
    """Save the mask in hand.

    Parameters
    ----------
    desk : Desk
        The case, its results and the mask.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.save_button = SaveButton(self._saveable)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(VerticalScroll(column(("Save", (self.save_button,)))))
        desk.mask_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        self.save_button.set_available(self._desk.mask is not None)

    def _saveable(self) -> Saveable | None:
        case, layer, volumes = self._desk.case, self._desk.mask, self._desk.volumes
        if case is None or layer is None:
            return None
        return case, np.asarray(layer.data), None if volumes is None else volumes.probability
