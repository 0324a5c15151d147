"""The Run / Cancel button, the bar with the time left, and one line that says how things stand."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_ddmd.wording import duration

if TYPE_CHECKING:
    from napari_ddmd.segment import Progress
    from napari_ddmd.viewer.run_stream import RunOutcome

_RUN_TIP = "Segment the chosen slices"


class RunBar(QWidget):
    """One button that starts a run, and stops it while it is on.

    Signals
    -------
    run_wanted, cancel_wanted
        The button was pressed.
    """

    run_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._running = False
        self._is_problem = False
        self._problem: str | None = None
        self._cost = ""
        self.button = QPushButton("Run")
        self.button.setMinimumHeight(32)
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.hide()
        self.status = QLabel("")
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, self.bar, self.status):
            layout.addWidget(widget)
        self.button.clicked.connect(self._on_clicked)

    def set_ready(self, problem: str | None) -> None:
        """Allow a run, or say what is missing for it."""
        if self._running:
            return
        self._problem = problem
        self.button.setEnabled(problem is None)
        self._show_tip()
        # How the last run ended stays on show until something is missing for the next one.
        if problem is not None or self._is_problem:
            self.say(problem or "")
        self._is_problem = problem is not None

    def set_cost(self, cost: str) -> None:
        """Take what a run will cost, to be told over the button: it is in sight from every tab."""
        self._cost = cost
        self._show_tip()

    def set_running(self, running: bool) -> None:
        """Turn the button into Cancel, or back into Run."""
        self._running = running
        self.button.setText("Cancel" if running else "Run")
        self._show_tip()
        self.button.setEnabled(True)
        self.bar.setVisible(running)
        if running:
            self.bar.setRange(0, 0)
            self.bar.setFormat("")

    def set_cancelling(self) -> None:
        """Show that the run will stop as soon as it can."""
        self.button.setText("Cancelling…")
        self.button.setEnabled(False)

    def _show_tip(self) -> None:
        if self._running:
            tip = "Stop; the slices that are done stay"
        else:
            tip = self._problem or "\n".join(filter(None, (_RUN_TIP, self._cost)))
        # Rich text makes Qt wrap the lines.
        self.button.setToolTip("".join(f"<p>{escape(line)}</p>" for line in tip.split("\n")))

    def show_progress(
        self,
        progress: Progress | None,
        done: int,
        total: int,
        remarks: tuple[str, ...] = (),
        *,
        before: int = 0,
        case: str = "",
    ) -> None:
        """Show how far the run is.

        Parameters
        ----------
        progress : Progress or None
            The run's own count, None before its first evaluation.
        done, total : int
            Slices that are on screen, and slices that were asked for.
        remarks : tuple of str
            What the run has fallen back to by now.
        before : int
            How many of the slices were done before the run.
        case : str
            Whose run it is, where the panel shows another one.
        """
        of_case = f"{case}: " if case else ""
        if progress is None or progress.total == 0:
            self.say(of_case + " ".join(("Preparing the images…", *remarks)))
            return
        # Left to itself, the bar repaints the whole window at once with every value, and all waits for it.
        self.bar.setUpdatesEnabled(False)
        saved = progress.total * before // max(total - before, 1)
        self.bar.setRange(0, progress.total + saved)
        self.bar.setValue(progress.done + saved)
        left = "" if progress.left is None else f" · {duration(progress.left)} left"
        self.bar.setFormat(f"%p %{left}")
        self.bar.setUpdatesEnabled(True)
        self.say(of_case + " ".join((f"{done} of {total} slices done" + "." * bool(remarks), *remarks)))

    def show_ending(self, outcome: RunOutcome, done: int, total: int, case: str = "") -> None:
        """Say how a run ended, and what it had to do without or fall back to.

        Parameters
        ----------
        outcome : RunOutcome
            How it ended.
        done, total : int
            Slices that came in, and slices of the run.
        case : str
            Whose run it was, where the panel shows another one by now.
        """
        if outcome.error is not None:
            text = f"Failed: {outcome.reason}"
        elif done < total:
            text = f"Cancelled: {done} of {total} slices are done. Run goes on from there."
        else:
            text = f"Done: {done} {'slice' if done == 1 else 'slices'}."
        self.say(" ".join((f"{case}: {text}" if case else text, *outcome.remarks)))

    def say(self, text: str) -> None:
        """Show one line beneath the bar."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _on_clicked(self) -> None:
        (self.cancel_wanted if self._running else self.run_wanted).emit()
