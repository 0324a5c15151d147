"""What a run will cost, before it: device, memory and seconds, in one line that follows the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle

_AFTER_MS = 250
_MEASURING = "measuring the pace…"
_TIP = (
    "The seconds come from a short measurement of this model on this computer, corrected by what your earlier runs "
    "took. Of these, only settings, counts and seconds are kept."
)


@dataclass(frozen=True)
class Question:
    """What the line is about.

    ``shape`` is the case's ``(S, H, W)``, None without one; ``looks`` are as in `napari_ddmd.cost.Work`.
    """

    bundle: Bundle
    sampling: Sampling
    slices: int = 0
    shape: tuple[int, int, int] | None = None
    looks: int = 0


@dataclass(frozen=True)
class Cost:
    """The line, more of the same, and whether a measurement would make it better."""

    text: str
    tooltip: str
    is_measured: bool = True


def foretell(question: Question, measure: bool) -> Cost:
    """Say what a run will cost; ``measure`` allows to compute for about a second where the pace is not known."""
    from napari_ddmd.cost import Work, calibrate, estimate_seconds, pace_key
    from napari_ddmd.device import device_line, estimate_memory, no_gpu, pick_device
    from napari_ddmd.run_history import RunHistory

    bundle, sampling = question.bundle, question.sampling
    device, history = pick_device(sampling.device), RunHistory()
    is_measured = history.pace(pace_key(bundle, device)) is not None
    if measure and not is_measured:
        calibrate(bundle, device, history)
        is_measured = True
    if question.shape is None:
        memory = estimate_memory(bundle, samples=sampling.samples, device=sampling.device)
    else:
        memory = estimate_memory(bundle, samples=sampling.samples, device=sampling.device, shape=question.shape)
    parts, tips = [device_line(device), memory.amounts], [_TIP]
    if question.slices and question.shape is not None:
        work = Work(
            slices=question.slices,
            samples=sampling.samples,
            steps=sampling.steps,
            sampler=sampling.sampler,
            shape=question.shape,
            looks=question.looks,
        )
        number = f"{question.slices} slice{'s' if question.slices > 1 else ''}"
        parts.append(f"{estimate_seconds(bundle, device, work, history)} for {number}")
    lines = [" · ".join(parts)]
    if memory.warning:
        lines.append(f"Memory is short: {memory.warning}.")
    missing = no_gpu() if device.type == "cpu" else None
    if missing is not None:
        lines.append(f"No GPU: {missing.short}.")
        tips.insert(0, missing.reason)
    return Cost("\n".join(lines), "\n\n".join(tips), is_measured)


class CostLine(QLabel):
    """The cost of the run that the settings ask for; worked out in another thread, once they rest.

    While it is paused, because a run is on, nothing is worked out; afterwards it is, with what the run taught.

    Signals
    -------
    told
        The text, whenever it is worked out.
    """

    told = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._bundle: Bundle | None = None
        self._sampling = Sampling()
        self._slices, self._shape = 0, None  # type: tuple[int, tuple[int, int, int] | None]
        self._emptied = self._looks = 0
        self._is_paused = False
        self._worker = Background(self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_AFTER_MS)
        self._clock.timeout.connect(self._on_rest)

    def set_bundle(self, bundle: Bundle | None) -> None:
        """Take another model, or none."""
        self._bundle = bundle
        if bundle is None:  # at once: what was said is of another model, and without one nothing may come after it
            self._worker.forget()
            self._show("", "")
        self._clock.start()

    def set_sampling(self, sampling: Sampling) -> None:
        """Take other settings."""
        self._sampling = sampling
        self._clock.start()

    def set_work(self, slices: int, shape: tuple[int, int, int] | None, emptied: int = 0, looks: int = 0) -> None:
        """Take another run.

        Parameters
        ----------
        slices : int
            That it would segment.
        shape : tuple of int or None
            The ``(S, H, W)`` of the case; None without one.
        emptied : int
            Slices that are done with other settings and that it would leave empty.
        looks : int
            Slices that it would look at before, to find a bias field.
        """
        if (slices, shape, emptied, looks) != (self._slices, self._shape, self._emptied, self._looks):
            self._slices, self._shape, self._emptied, self._looks = slices, shape, emptied, looks
            self._clock.start()

    def set_paused(self, paused: bool) -> None:
        """Keep still while a run is on."""
        self._is_paused = paused
        if paused:
            self._clock.stop()
            self._worker.forget()
        else:
            self._clock.start()

    def _on_rest(self) -> None:
        if self._is_paused:
            return
        if self._bundle is None:
            self._worker.forget()
            self._show("", "")
            return
        self._ask(measure=False)

    def _ask(self, measure: bool) -> None:
        if self._bundle is not None:
            question = Question(self._bundle, self._sampling, self._slices, self._shape, self._looks)
            self._worker.start(foretell, question, measure)

    def _on_done(self, cost: Cost) -> None:
        lines = [cost.text, *self._what_is_emptied()]
        if not cost.is_measured:
            lines.append(f"({_MEASURING})")
        self._show("\n".join(lines), cost.tooltip)
        if not cost.is_measured:
            self._ask(measure=True)

    def _on_failed(self, error: Exception) -> None:
        lines = [f"What a run will cost cannot be told: {reason(error)}", *self._what_is_emptied()]
        self._show("\n".join(lines), "")

    def _what_is_emptied(self) -> list[str]:
        if not self._emptied:
            return []
        are = "slice that is" if self._emptied == 1 else "slices that are"
        return [f"Empties {self._emptied} {are} done with other settings; Undo brings them back."]

    def _show(self, text: str, tooltip: str) -> None:
        self.setText(text)
        self.told.emit(text)
        # Rich text makes Qt wrap the paragraphs.
        self.setToolTip("".join(f"<p>{part}</p>" for part in tooltip.split("\n\n")) if tooltip else "")
