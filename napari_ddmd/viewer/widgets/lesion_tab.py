"""Tab *Lesions*: each lesion in millilitres, and what corrects the mask."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.lesion_box import LesionBox
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column


class LesionTab(QWidget):
    """The mask in hand: which one it is, and what it measures.

    Parameters
    ----------
    desk : Desk
        Told which mask is in hand.
    links : ViewerLinks
        Undoes the connections to the viewer.

    Signals
    -------
    summary_changed
        The volume in one line, empty where there is no mask.
    """

    summary_changed = Signal(str)

    def __init__(self, desk: Desk, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.lesion_box = LesionBox(desk.viewer, links)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(VerticalScroll(column(("Lesions", (self.lesion_box,)))))
        self.lesion_box.lesion_chosen.connect(desk.go_to_voxel)
        self.lesion_box.mask_changed.connect(self._on_mask)
        self.lesion_box.mask_edited.connect(desk.mask_edited)
        self.lesion_box.measured.connect(self._show_coverage)
        desk.case_changed.connect(self._show)
        desk.results_changed.connect(self._show_results)
        self._show()

    def _show(self) -> None:
        case, volumes = self._desk.case, self._desk.volumes
        self.lesion_box.set_case(case, None if volumes is None else volumes.probability)
        self._on_mask()

    def _show_results(self) -> None:
        self._show()
        self.lesion_box.probability_changed()
        self._show_coverage()

    def _on_mask(self) -> None:
        self._desk.set_mask(self.lesion_box.layer)

    def _show_coverage(self) -> None:
        """Say beside the volume how much of the brain it covers: a part must not pass for the whole."""
        case, results = self._desk.case, self._desk.results
        if case is None or results is None or self.lesion_box.layer is not results.lesion.layer:
            self.lesion_box.set_coverage(0, 0)
        else:
            brain = set(np.flatnonzero(case.brain.any(axis=(1, 2))).tolist())
            self.lesion_box.set_coverage(len(brain & results.done), len(brain))
        self.summary_changed.emit(self.lesion_box.summary)
