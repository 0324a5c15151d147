"""Which slices are edited by hand, and the way to give them back to the model."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.mask_tools import lesion_in_hand

_MOST_RANGES = 6


class EditedBox(QWidget):
    """A line that lists the slices that runs leave alone, and a button that resets them.

    Parameters
    ----------
    desk : Desk
        The results and the mask in hand.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self.label.setToolTip("Runs and the threshold leave these slices as they are")
        self.button = QPushButton("Let the model redo them")
        self.button.setToolTip("Give these slices the model's own mask again. Undo brings the edits back")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.button)
        self.button.clicked.connect(self.release)
        for signal in (desk.case_changed, desk.mask_changed, desk.history_changed):
            signal.connect(self.show_state)
        # Comes many times in a run, which leaves edited slices as they are.
        desk.results_changed.connect(self._show_button)
        self.show_state()

    def release(self) -> None:
        """Give all edited slices the model's mask."""
        results, lesion = self._desk.results, lesion_in_hand(self._desk)
        if results is not None and lesion is not None:
            results.release(lesion.edited_slices)

    def show_state(self) -> None:
        """List the slices that are edited now."""
        lesion = lesion_in_hand(self._desk)
        edited = [] if lesion is None else lesion.edited_slices
        self.setVisible(bool(edited))
        count = f"{len(edited)} {'slice' if len(edited) == 1 else 'slices'}"
        self.label.setText(f"{count} edited by hand: {ranges(edited)}")
        self._show_button()

    def _show_button(self) -> None:
        # Without a run the model has nothing to say of them.
        self.button.setVisible(self._desk.volumes is not None)


def ranges(numbers: Sequence[int]) -> str:
    """Word whole numbers in rising order as ranges: ``61-64, 70``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [f"{first}" if first == last else f"{first}-{last}" for first, last in runs]
    return ", ".join(texts[:_MOST_RANGES]) + (", …" if len(texts) > _MOST_RANGES else "")
