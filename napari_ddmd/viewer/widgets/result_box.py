"""What to make of the results: the threshold, and which sampled mask to look at."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget
from superqt import QLabeledDoubleSlider, QLabeledSlider

# As soon as the window has drawn the slider: calls that come in faster count once.
_THRESHOLD_AFTER_MS = 0


class ResultBox(QWidget):
    """The threshold, and which of the sampled masks is shown.

    Signals
    -------
    threshold_changed
        The threshold, while the slider is dragged.
    sample_chosen
        Number of the sampled mask, counted from 0.
    """

    threshold_changed = Signal(float)
    sample_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.05, 0.95)
        self.threshold.setDecimals(2)
        self.threshold.setValue(0.5)
        self.threshold.setAccessibleName("Threshold of the probability")
        self.threshold.setToolTip("Probability that the lesion exceeds; small and doubtful parts may be left out")
        self.sample = QLabeledSlider(Qt.Orientation.Horizontal)
        self.sample.setRange(1, 1)
        self.sample.setAccessibleName("Sampled mask")
        self.sample.setToolTip("Which of the sampled masks the sample layer shows")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for row, (label, slider) in enumerate((("Threshold", self.threshold), ("Sample", self.sample))):
            layout.addWidget(QLabel(label), row, 0)
            layout.addWidget(slider, row, 1)
        layout.setColumnStretch(1, 1)
        self.edited = QLabel("")
        self.edited.setWordWrap(True)
        self.edited.hide()
        layout.addWidget(self.edited, 2, 0, 1, 2)
        self.set_samples(0)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_THRESHOLD_AFTER_MS)
        self._clock.timeout.connect(self._on_rest)
        self.threshold.valueChanged.connect(self._on_threshold)
        self.sample.valueChanged.connect(self._on_sample)

    def set_threshold(self, threshold: float) -> None:
        """Show another threshold, without announcing it; one that the user set and that is not told yet stays."""
        if self._clock.isActive():
            return
        self.threshold.blockSignals(True)
        self.threshold.setValue(threshold)
        self.threshold.blockSignals(False)

    def set_edited(self, count: int) -> None:
        """Say how many slices do not follow the threshold, as they were edited by hand."""
        slices = "The slice that was" if count == 1 else f"The {count} slices that were"
        self.edited.setText(f"{slices} edited by hand {'does' if count == 1 else 'do'} not follow the threshold.")
        self.edited.setVisible(count > 0)

    def set_samples(self, count: int, number: int = 0) -> None:
        """Let the slider browse that many sampled masks, and show which of them, from 0, is on screen."""
        self.sample.setEnabled(count > 1)
        self.sample.blockSignals(True)
        if count:
            self.sample.setRange(1, count)
            self.sample.setValue(number + 1)
        self.sample.blockSignals(False)

    def _on_threshold(self, _value: float) -> None:
        self._clock.start()

    def _on_rest(self) -> None:
        self.threshold_changed.emit(round(self.threshold.value(), 2))  # as it is shown

    def _on_sample(self, value: int) -> None:
        self.sample_chosen.emit(int(value) - 1)
