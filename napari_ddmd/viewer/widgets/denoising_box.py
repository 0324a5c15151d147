"""Watch a mask come out of the noise: the slice on screen, step by step."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QRadioButton, QSpinBox, QWidget
from superqt import QLabeledSlider

from napari_ddmd.viewer.denoising_layer import DenoisingLayer
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.model import Bundle
    from napari_ddmd.results import Denoising

_PLAY_MS = 250
_STEPS = 10


def _compute(case: Case, bundle: Bundle, index: int, number: int, steps: int, seed: int, cancel: Event) -> Denoising:
    from napari_ddmd.denoising import denoising_sequence

    return denoising_sequence(case, bundle, index, number=number, steps=steps, seed=seed, cancel=cancel)


class _Stop:
    """Stops the computation that is on; outlives the box."""

    def __init__(self) -> None:
        self.event = Event()

    def now(self) -> None:
        self.event.set()


class DenoisingBox(QWidget):
    """A button that computes the steps of one mask, and a slider through them.

    Parameters
    ----------
    desk : Desk
        The case, the model and the slice on screen.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._stop = _Stop()
        self._asked: tuple[Case, Bundle, int] | None = None
        self.shown: DenoisingLayer | None = None
        self.button = QPushButton("Watch this slice")
        self.button.setToolTip("Compute how a mask of the slice on screen comes out of the noise (Fig. 5 of the paper)")
        self.steps = QSpinBox()
        self.steps.setRange(1, 1000)
        self.steps.setValue(_STEPS)
        self.steps.setToolTip("Denoising steps; more take longer. The result's own masks take as many as tab Find says")
        self.steps.setAccessibleName("Denoising steps to watch")
        self.slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Step of the denoising")
        self.play = QPushButton("Play")
        self.play.setCheckable(True)
        self.noisy = QRadioButton("noisy mask")
        self.noisy.setToolTip("The mask x_t before the step: grey is undecided")
        self.expected = QRadioButton("expected mask")
        self.expected.setToolTip("The clean mask that the model expects at this step")
        self.expected.setChecked(True)
        self.close_button = QPushButton("Close")
        self.close_button.setToolTip("Take the layer away")
        self.caption = QLabel("")
        self._lay_out()
        self._worker = Background(self)
        self._worker.done.connect(self._on_computed)
        self._worker.failed.connect(self._on_failed)
        self._clock = QTimer(self)
        self._clock.setInterval(_PLAY_MS)
        self._clock.timeout.connect(self._advance)
        self.button.clicked.connect(self._on_button)
        self.slider.valueChanged.connect(self._show_step)
        self.noisy.toggled.connect(self._show_step)
        self.play.toggled.connect(self._on_play)
        self.close_button.clicked.connect(self.close_sequence)
        desk.case_changed.connect(self.close_sequence)
        # Not a method of this box: that is disconnected before the box tells that it is destroyed.
        self.destroyed.connect(self._stop.now)
        self._show_controls()

    @property
    def is_computing(self) -> bool:
        """Whether a sequence is being computed."""
        return self._asked is not None

    def watch(self) -> None:
        """Compute the steps of the slice on screen."""
        case, bundle = self._desk.case, self._desk.bundle
        if case is None or bundle is None or self.is_computing:
            return
        index = self._desk.current_slice
        if not case.brain[index].any():
            self.caption.setText(f"Slice {index} holds no brain.")
            self.caption.show()
            return
        self.close_sequence()
        self._stop.event = Event()
        self._asked = (case, bundle, index)
        results = self._desk.results
        seed = 0 if results is None or results.recipe is None else results.recipe.sampling.seed
        number = 0 if results is None else results.sample
        steps = min(self.steps.value(), bundle.settings.diffusion.timesteps)
        self.caption.setText(f"Computing {steps} steps of slice {index}…")
        self._show_controls()
        self._worker.start(_compute, case, bundle, index, number, steps, seed, self._stop.event)

    def close_sequence(self) -> None:
        """Take the layer away, and stop a computation."""
        self._stop.now()
        self._worker.forget()
        self._asked = None
        self.play.setChecked(False)
        if self.shown is not None:
            self.shown.close()
            self.shown = None
        self._show_controls()

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button, 0, 0)
        layout.addWidget(QLabel("Steps"), 0, 1)
        layout.addWidget(self.steps, 0, 2)
        layout.setColumnStretch(0, 1)
        layout.addWidget(self.caption, 1, 0, 1, 3)
        layout.addWidget(self.slider, 2, 0, 1, 3)
        self.row = QWidget()
        row = QHBoxLayout(self.row)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.expected, self.noisy, self.play, self.close_button):
            row.addWidget(widget)
        layout.addWidget(self.row, 3, 0, 1, 3)

    def _show_controls(self) -> None:
        has_sequence = self.shown is not None
        self.slider.setVisible(has_sequence)
        self.row.setVisible(has_sequence)
        self.caption.setVisible(has_sequence or self.is_computing)
        self.button.setText("Cancel" if self.is_computing else "Watch this slice")

    def _on_button(self) -> None:
        if self.is_computing:
            self.close_sequence()
        else:
            self.watch()

    def _on_computed(self, denoising: Denoising) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        case, bundle, index = asked
        self.shown = DenoisingLayer(self._desk.viewer, case, index, denoising, bundle.settings.diffusion.timesteps)
        self.slider.blockSignals(True)
        self.slider.setRange(0, self.shown.steps)
        self.slider.setValue(0)
        self.slider.blockSignals(False)
        self._show_step()
        self._show_controls()
        self._desk.go_to(index)
        self.play.setChecked(True)

    def _on_failed(self, error: Exception) -> None:
        self._asked = None
        self._show_controls()
        show_error(f"The denoising could not be computed: {' '.join(str(error).split()) or type(error).__name__}")

    def _show_step(self, *_: object) -> None:
        if self.shown is None:
            return
        if not self.shown.is_shown:
            self.close_sequence()  # the user removed the layer
            return
        self.shown.show(self.slider.value(), expected=self.expected.isChecked())
        self.caption.setText(f"Slice {self.shown.index}: {self.shown.caption()}")

    def _on_play(self, playing: bool) -> None:
        self.play.setText("Pause" if playing else "Play")
        if playing:
            if self.slider.value() == self.slider.maximum():
                self.slider.setValue(0)
            self._clock.start()
        else:
            self._clock.stop()

    def _advance(self) -> None:
        if self.shown is None or self.slider.value() == self.slider.maximum():
            self.play.setChecked(False)
        else:
            self.slider.setValue(self.slider.value() + 1)
