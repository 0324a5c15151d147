"""Tab *Look*: why there is a lesion, and how sure that is."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.widgets.result_box import ResultBox
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column


class LookTab(QWidget):
    """Threshold and sampled masks.

    Parameters
    ----------
    desk : Desk
        The case and its results.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.result_box = ResultBox()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(VerticalScroll(column(("How sure", (self.result_box,)))))
        self.result_box.threshold_changed.connect(desk.set_threshold)
        self.result_box.sample_chosen.connect(self._on_sample)
        desk.case_changed.connect(self._show)
        desk.results_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        results = self._desk.results
        if results is not None:
            self.result_box.set_threshold(results.threshold)
        self.result_box.set_samples(0 if results is None else results.samples)

    def _on_sample(self, number: int) -> None:
        if self._desk.results is not None:
            self._desk.results.show_sample(number)
