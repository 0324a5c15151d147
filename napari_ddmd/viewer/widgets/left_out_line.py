"""One line on the parts that are left out of the lesion, and a button that takes them in."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.left_out import left_out, take_in

# A threshold that is dragged is not counted at every stop.
_AFTER_MS = 200
_TIP = "The probability exceeds the threshold there, but they are small beside the largest, or sure nowhere"


class LeftOutLine(QWidget):
    """Tells of parts that the lesion of the desk's case lacks; hidden where there are none.

    Parameters
    ----------
    desk : Desk
        The case and its results.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self.label.setToolTip(_TIP)
        self.button = QPushButton("Take in")
        self.button.setToolTip("Put them into the lesion, as an edit; Undo takes them out again")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_AFTER_MS)
        self._clock.timeout.connect(self.look)
        self.button.clicked.connect(self._on_button)
        desk.case_changed.connect(self.look)
        for signal in (desk.results_changed, desk.threshold_changed, desk.history_changed):
            signal.connect(self._clock.start)
        self.look()

    def look(self) -> None:
        """Look for such parts now."""
        self._clock.stop()
        case, results = self._desk.case, self._desk.results
        found = None if case is None or results is None else left_out(results, case)
        self.label.setText("" if found is None else f"{found}.")
        self.setVisible(found is not None)

    def _on_button(self) -> None:
        if self._desk.case is not None and self._desk.results is not None:
            take_in(self._desk.results, self._desk.case)
        self.look()
