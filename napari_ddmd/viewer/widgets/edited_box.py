"""Which slices are edited by hand, and the way to give one or all of them back to the model."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.mask_tools import lesion_in_hand
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.wording import ranges

MOST_RANGES = 6


class EditedBox(QWidget):
    """A line that lists the slices that runs leave alone, and buttons that reset them.

    Parameters
    ----------
    desk : Desk
        The results and the mask in hand.
    links : ViewerLinks
        Undoes the connections to the viewer.

    Signals
    -------
    counted
        Number of slices of the case's own lesion that are edited now, also while another mask is in hand.
    """

    counted = Signal(int)

    def __init__(self, desk: Desk, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._edited: list[int] = []
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self.label.setToolTip("Runs and the threshold leave these slices as they are")
        self.this_button, self.all_button = QPushButton("Reset this slice"), QPushButton("Reset all")
        self.this_button.setToolTip(
            "Give the current axial slice the model's own mask again. Undo brings the edits back"
        )
        self.all_button.setToolTip(
            "Give these slices the model's own mask again; those that were not run stay. Undo brings the edits back"
        )
        buttons = QHBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addLayout(buttons)
        for button in (self.this_button, self.all_button):
            buttons.addWidget(button)
        self.this_button.clicked.connect(lambda: self._release([desk.current_slice]))
        self.all_button.clicked.connect(lambda: self._release(self._edited))
        for signal in (desk.case_changed, desk.mask_changed, desk.history_changed):
            signal.connect(self.show_state)
        # Comes many times in a run, which leaves edited slices as they are.
        desk.results_changed.connect(self._show_buttons)
        links.connect(desk.viewer.dims.events.current_step, self._show_buttons)
        self.show_state()

    def show_state(self) -> None:
        """List the slices that are edited now."""
        results = self._desk.results
        of_case = [] if results is None else results.lesion.edited_slices
        edited = self._edited = of_case if lesion_in_hand(self._desk) is not None else []
        self.setVisible(bool(edited))
        self.counted.emit(len(of_case))
        count = f"{len(edited)} {'slice' if len(edited) == 1 else 'slices'}"
        self.label.setText(f"{count} edited by hand: {ranges(edited, most=MOST_RANGES)}")
        self._show_buttons()

    def _show_buttons(self, _event: object = None) -> None:
        results = self._desk.results
        # Of slices that were not run the model has nothing to say.
        models = set() if results is None else results.done.intersection(self._edited)
        for button in (self.this_button, self.all_button):
            button.setVisible(self._desk.volumes is not None)
        self.this_button.setEnabled(self._desk.current_slice in models)
        self.all_button.setEnabled(bool(models))

    def _release(self, slices: Sequence[int]) -> None:
        """Give slices the model's mask."""
        results = self._desk.results
        if results is not None and lesion_in_hand(self._desk) is not None:
            results.release(slices)
