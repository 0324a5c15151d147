"""Watch a mask come out of the noise: the slice on screen, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_ddmd.viewer.denoising_layer import DenoisingLayer
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.model import Bundle
    from napari_ddmd.results import Denoising, Progress

_PLAY_MS = 250
_LOOK_MS = 100
# Played in so many pictures at most, in whichever number of steps.
_FRAMES = 40
_STEPS = 10


@dataclass(eq=False)
class _Job:
    """One computation; lives on in its thread when the box is gone."""

    case: Case
    bundle: Bundle
    index: int
    number: int
    steps: int
    sampling: Sampling
    cancel: Event = field(default_factory=Event)
    percent: int = 0

    def note(self, progress: Progress) -> None:
        self.percent = 100 * progress.done // max(progress.total, 1)

    def compute(self) -> Denoising:
        from napari_ddmd.denoising import denoising_sequence

        return denoising_sequence(
            self.case,
            self.bundle,
            self.index,
            number=self.number,
            steps=self.steps,
            sampler=self.sampling.sampler,
            seed=self.sampling.seed,
            device=self.sampling.device,
            cancel=self.cancel,
            progress=self.note,
        )


class _Stop:
    """Stops the computation that is on; outlives the box."""

    def __init__(self) -> None:
        self.job: _Job | None = None

    def now(self) -> None:
        job, self.job = self.job, None
        if job is not None:
            job.cancel.set()


class DenoisingBox(QWidget):
    """A button that computes the steps of one mask, and a slider through them.

    Parameters
    ----------
    desk : Desk
        The case, the model and the slice on screen.
    links : ViewerLinks
        Undoes the connections to the viewer.
    sampling : callable
        How masks are sampled where there are no results yet; else it is as theirs were.
    """

    def __init__(
        self,
        desk: Desk,
        links: ViewerLinks,
        sampling: Callable[[], Sampling] = Sampling,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk, self._sampling = desk, sampling
        self._stop = _Stop()
        self.shown: DenoisingLayer | None = None
        self.button = QPushButton("Watch this slice")
        self.button.setToolTip("Compute how a mask of the slice on screen comes out of the noise (Fig. 5 of the paper)")
        self.steps = QSpinBox()
        self.steps.setRange(1, 1000)
        self.steps.setValue(_STEPS)
        self.steps.setToolTip("Denoising steps; more take longer. The result's own masks take as many as tab Find says")
        self.steps.setAccessibleName("Denoising steps to watch")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Step of the denoising")
        self.slider.setToolTip("From the noise (left) to the mask (right)")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.play = QPushButton("Play")
        self.play.setCheckable(True)
        self.play.setToolTip("Go through the steps once")
        self.noisy = QRadioButton("noisy mask")
        self.noisy.setToolTip("The mask x_t before the step: grey is undecided")
        self.expected = QRadioButton("expected mask")
        self.expected.setToolTip("The clean mask that the model expects at this step")
        self.expected.setChecked(True)
        self.close_button = QPushButton("Close")
        self.close_button.setToolTip("Take the layer away")
        self.caption = QLabel("")
        self.caption.setToolTip("From the noise that the sample of this number came out of")
        self._lay_out()
        self._worker = Background(self)
        self._worker.done.connect(self._on_computed)
        self._worker.failed.connect(self._on_failed)
        self._clock = QTimer(self)
        self._clock.setInterval(_PLAY_MS)
        self._clock.timeout.connect(self._advance)
        self._look = QTimer(self)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._show_progress)
        self.button.clicked.connect(self._on_button)
        self.slider.valueChanged.connect(self._show_step)
        self.noisy.toggled.connect(self._show_step)
        self.play.toggled.connect(self._on_play)
        self.close_button.clicked.connect(self.close_sequence)
        desk.case_changed.connect(self.close_sequence)
        links.connect(desk.viewer.layers.events.removed, self._on_removed)
        # Not a method of this box: that is disconnected before the box tells that it is destroyed.
        self.destroyed.connect(self._stop.now)
        self._show_controls()

    @property
    def is_computing(self) -> bool:
        """Whether a sequence is being computed."""
        return self._stop.job is not None

    def watch(self) -> None:
        """Compute the steps of the slice on screen."""
        case, bundle = self._desk.case, self._desk.bundle
        if self.is_computing:
            return
        self.close_sequence()
        index = self._desk.current_slice
        if case is None or bundle is None:
            self._say("Choose a case and a model first." if case is None else "Choose a model first.")
        elif not case.brain[index].any():
            self._say(f"Slice {index} holds no brain.")
        else:
            results = self._desk.results
            number = 0 if results is None else results.sample
            sampling = self._sampling() if results is None or results.recipe is None else results.recipe.sampling
            steps = min(self.steps.value(), bundle.settings.diffusion.timesteps)
            self._stop.job = _Job(case, bundle, index, number, steps, sampling)
            self._say(f"Computing {steps} step{'' if steps == 1 else 's'} of slice {index}, noise {number + 1}…")
            self._show_controls()
            self._look.start()
            self._worker.start(self._stop.job.compute)

    def set_running(self, running: bool) -> None:
        """Make room for a run, which needs the same networks, and let nothing be computed until it has ended."""
        if running and self.is_computing:
            self.close_sequence()
        self.button.setEnabled(not running)

    def close_sequence(self) -> None:
        """Take the layer away, and stop a computation."""
        self._stop.now()
        self._worker.forget()
        self.play.setChecked(False)
        shown, self.shown = self.shown, None
        if shown is not None:
            shown.close()
        self._say("")
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
        layout.addWidget(self.progress, 2, 0, 1, 3)
        self.row = QWidget()
        row = QHBoxLayout(self.row)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.expected, self.noisy, self.play, self.close_button):
            row.addWidget(widget)
        layout.addWidget(self.row, 3, 0, 1, 3)

    def _say(self, words: str) -> None:
        self.caption.setText(words)
        self.caption.setVisible(bool(words))

    def _show_controls(self) -> None:
        has_sequence = self.shown is not None
        self.slider.setVisible(has_sequence)
        self.row.setVisible(has_sequence)
        self.progress.setVisible(self.is_computing)
        self.steps.setEnabled(not self.is_computing)
        self.button.setText("Cancel" if self.is_computing else "Watch this slice")
        if not self.is_computing:
            self._look.stop()
        self._show_progress()

    def _show_progress(self) -> None:
        job = self._stop.job
        self.progress.setValue(0 if job is None else job.percent)

    def _on_button(self) -> None:
        if self.is_computing:
            self.close_sequence()
        else:
            self.watch()

    def _on_computed(self, denoising: Denoising) -> None:
        job, self._stop.job = self._stop.job, None
        if job is None:
            return
        timesteps = job.bundle.settings.diffusion.timesteps
        self.shown = DenoisingLayer(self._desk.viewer, job.case, job.index, denoising, timesteps, number=job.number)
        self.slider.blockSignals(True)
        self.slider.setRange(0, self.shown.steps)
        self.slider.setValue(0)
        self.slider.blockSignals(False)
        self._show_step()
        self._show_controls()
        self._desk.go_to(job.index)
        self.play.setChecked(True)

    def _on_failed(self, error: Exception) -> None:
        self._stop.job = None
        self._say("")
        self._show_controls()
        show_error(f"The denoising could not be computed: {reason(error)}")

    def _show_step(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.show(self.slider.value(), expected=self.expected.isChecked())
            self._say(self.shown.caption())

    def _on_removed(self, event: Any) -> None:
        if self.shown is not None and event.value is self.shown.layer:
            self.close_sequence()

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
            self.slider.setValue(self.slider.value() + max(1, self.shown.steps // _FRAMES))
