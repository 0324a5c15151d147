"""Choose the slices of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton, QVBoxLayout, QWidget
from superqt import QLabeledRangeSlider

from napari_ddmd.viewer.run_settings import SliceChoice, SliceMode

if TYPE_CHECKING:
    from napari_ddmd.case import Case

_LABELS = {
    SliceMode.CURRENT: ("Current", "The axial slice on screen; in another plane, the one where the planes meet"),
    SliceMode.RANGE: ("Range", "From one slice to another, both included"),
    SliceMode.BRAIN: ("All brain", "Every slice that holds brain"),
}


class SliceBox(QWidget):
    """Current slice, a range, or the whole brain.

    Signals
    -------
    changed
        The choice is another one now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.case: Case | None = None
        self._buttons = {mode: QRadioButton(label) for mode, (label, _tip) in _LABELS.items()}
        group = QButtonGroup(self)
        row = QHBoxLayout()
        for mode, button in self._buttons.items():
            button.setToolTip(_LABELS[mode][1])
            group.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        self.range_slider = QLabeledRangeSlider(Qt.Orientation.Horizontal)
        self.range_slider.setToolTip("First and last slice of the range")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.range_slider)
        self._buttons[SliceMode.BRAIN].setChecked(True)
        self._on_mode()
        group.buttonToggled.connect(self._on_mode)
        self.range_slider.valueChanged.connect(self._on_range)

    @property
    def choice(self) -> SliceChoice:
        """The slices that are chosen."""
        first, last = (int(end) for end in self.range_slider.value())
        mode = next(mode for mode, button in self._buttons.items() if button.isChecked())
        return SliceChoice(mode, first, last)

    def set_mode(self, mode: SliceMode) -> None:
        """Choose a mode."""
        self._buttons[mode].setChecked(True)

    def set_case(self, case: Case | None) -> None:
        """Let the range cover a case; it begins with the slices that hold brain. None forgets the case."""
        self.case = case
        if case is None:
            return
        brain = case.brain_slices
        depth = case.grid.shape[0]
        self.range_slider.setRange(0, depth - 1)
        self.range_slider.setValue((brain[0], brain[-1]) if brain else (0, depth - 1))

    def _on_mode(self, *_: object) -> None:
        self.range_slider.setVisible(self._buttons[SliceMode.RANGE].isChecked())
        self.changed.emit()

    def _on_range(self, _value: object) -> None:
        self.changed.emit()
