"""The run, from the button to the last slice: what is asked for, what comes in, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QObject, QTimer, Signal

from napari_ddmd.viewer.collector import old_objects_spared
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.navigation import current_slice, go_to_slice
from napari_ddmd.viewer.run_endings import ending_remarks, put_aside_remarks, standing, worded
from napari_ddmd.viewer.run_settings import RunRequest, Sampling, told_apart
from napari_ddmd.viewer.run_stream import RunOutcome, RunState
from napari_ddmd.viewer.widgets.run_bar import RunBar
from napari_ddmd.viewer.widgets.run_controller import RunController
from napari_ddmd.without_values import without_values

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.segment import SliceResult

# How soon the screen follows a run again: soon enough to look alive, late enough to stay out of its way.
_CLOCK_MS = 120
_NO_BRAIN = "No slice holds brain: every modality is zero everywhere."
_BACK = "These slices were done with these settings before: they are shown again."
_TAKEN_BACK = "The run was taken back: no slice is segmented."
_ALL_DONE = "These slices are done with these settings. Another seed gives other masks."


class Prospect(NamedTuple):
    """What a run would do, in slices."""

    left: int
    """To be computed: those with brain, less those that are done with the same settings."""
    emptied: int
    """Done with other settings and not among those to be computed; those that were edited keep their mask."""


class RunPart(QObject):
    """Runs the model on the desk's case, and puts what comes in on the desk.

    Parameters
    ----------
    desk : Desk
        Where the case and the results are.
    problem : callable
        Says why there can be no run, None where there can.
    parent : QObject
        The panel.

    Signals
    -------
    running_changed
        Whether a run is on.
    """

    running_changed = Signal(bool)

    def __init__(self, desk: Desk, problem: Callable[[], str | None], parent: QObject) -> None:
        super().__init__(parent)
        self._desk, self._problem = desk, problem
        self.bar = RunBar()
        self.controller = RunController(self)
        self._request: RunRequest | None = None
        self._spared = ExitStack()
        self._is_tagged = self._goes_on = False
        self._fault: Exception | None = None
        self._come_in = self._drawn = self._before = self._put_aside = 0
        self._clock = QTimer(self)
        self._clock.setInterval(_CLOCK_MS)
        self._first_layer = QTimer(self)
        self._first_layer.setSingleShot(True)
        self._first_layer.timeout.connect(self._make_first_layer)
        self._clock.timeout.connect(self._on_clock)
        self.destroyed.connect(self._spared.close)
        self.controller.arrived.connect(self._on_arrived)
        self.controller.ended.connect(self._on_ended)
        desk.run_stepped.connect(self._on_run_stepped)
        desk.case_changed.connect(self._on_case_changed)

    @property
    def case(self) -> Case | None:
        """The case that a run is on."""
        return None if self._request is None else self._request.case

    def start(self, slices: Sequence[int], sampling: Sampling, *, allow_missing: bool = False) -> None:
        """Segment slices of the desk's case, less those that are done with the same settings.

        Parameters
        ----------
        slices, sampling
            What is asked for.
        allow_missing : bool
            Whether the case may lack a modality.
        """
        case, bundle, problem = self._desk.case, self._desk.bundle, self._problem()
        if problem is not None or case is None or bundle is None or self.controller.is_running:
            self.show_ready()
            return
        request = RunRequest(case, bundle, sampling, tuple(slices), allow_missing=allow_missing)
        results = self._desk.results_of(case)
        if not slices:
            self.bar.say(_NO_BRAIN)
            return
        self._put_aside = 0 if request.recipe.matches(results.recipe) else len(standing(results))
        request = request.without(results.computed_by(request.recipe))
        try:
            is_back = results.resume(request.recipe)
            self._goes_on = is_back or request.recipe.matches(results.recipe)
            if not request.slices:
                results.restore()
            elif self._goes_on:
                results.bring_back()
        except Exception as error:
            outcome = RunOutcome(RunState.FAILED, worded(case, error))
            outcome.let_go()
            self._report_failure(outcome)
            self._desk.results_changed.emit()
            return
        if is_back or not request.slices:
            self._desk.results_changed.emit()
        if not request.slices:
            self.bar.say(" ".join((_BACK if is_back else _ALL_DONE, *put_aside_remarks(results, self._put_aside))))
            return
        self._before = len(slices) - len(request.slices)
        is_shown = results.lesion.is_shown
        if is_shown:
            results.begin()
        self._request, self._come_in, self._drawn, self._fault = request, 0, 0, None
        self._is_tagged = self._has_layers(case)
        self._spared.enter_context(old_objects_spared())
        self._set_running(True)
        self.controller.start(request)
        self._clock.start()
        if not is_shown:
            self._first_layer.start()

    def prospect(self, slices: Sequence[int], sampling: Sampling) -> Prospect:
        """Count what a run of ``slices`` would compute and leave empty."""
        case, bundle, results = self._desk.case, self._desk.bundle, self._desk.results
        if case is None:
            return Prospect(0, 0)
        wanted = set(slices).intersection(case.brain_slices)
        if bundle is None or results is None:
            return Prospect(len(wanted), 0)
        recipe = RunRequest(case, bundle, sampling, tuple(slices)).recipe
        known = results.computed_by(recipe)
        left = len(wanted - known)
        if recipe.matches(results.recipe):
            return Prospect(left, 0)
        done = standing(results).intersection(case.brain_slices)
        return Prospect(left, len(done.difference(slices, known, results.lesion.edited_slices)))

    def cancel(self) -> None:
        """Stop the run; the slices that are done stay."""
        if self.controller.is_running:
            self.controller.cancel()
            self.bar.set_cancelling()

    def leave(self) -> None:
        """Stop the run with the panel, which will not hear of its end: what has come in is put in order at once."""
        request, self._request = self._request, None
        if request is None:
            return
        self._clock.stop()
        self.controller.cancel()
        try:
            if self._desk.knows(request.case):
                self._desk.results_of(request.case).settle()
        except Exception as error:
            outcome = RunOutcome(RunState.FAILED, error)
            outcome.let_go()
            self._report_failure(outcome)

    def stop_if_closed(self) -> None:
        """Cancel a run whose case was closed: nobody could see what it finds."""
        if self._request is not None and self._is_tagged and not self._has_layers(self._request.case):
            self.cancel()

    def show_ready(self) -> None:
        """Say whether there can be a run."""
        self.bar.set_ready(self._problem())

    def _has_layers(self, case: Case) -> bool:
        """Whether a layer says that it is of a case; those of other plugins, of which a case can be made, do not."""
        return any((tag := tag_of(layer)) is not None and tag.case is case for layer in self._desk.viewer.layers)

    def _set_running(self, running: bool) -> None:
        if not running:
            self._spared.close()
        self.bar.set_running(running)
        self.running_changed.emit(running)

    def _make_first_layer(self) -> None:
        """Announce the run to layers that are to be made; in the turn that begins it both would hold up the window."""
        self._first_layer.stop()
        self.stop_if_closed()
        request = self._request
        if request is None or self.controller.is_cancelling or not self._desk.knows(request.case):
            return
        try:
            self._desk.results_of(request.case).begin()
        except Exception as error:
            self._give_up(request.case, error)
        self._is_tagged = self._has_layers(request.case)

    def _on_arrived(self, result: SliceResult) -> None:
        if self._first_layer.isActive():
            self._make_first_layer()
        request = self._request
        if request is None or self._fault is not None:
            return
        results = self._desk.results_of(request.case)
        try:
            results.add(request.recipe, result)
            if results.volumes is not None:
                # All that the run has told of: it may have left one before its slices are taken in here.
                for device in self.controller.devices:
                    results.volumes.note_device(device)
        except Exception as error:
            self._give_up(request.case, error)
            return
        self._come_in += 1
        if self._come_in == 1:
            is_seen = self._desk.case is request.case
            seen = current_slice(self._desk.viewer, request.case)
            if is_seen and seen not in request.slices and seen not in results.done:
                go_to_slice(self._desk.viewer, request.case, result.index)
            self._desk.results_changed.emit()

    def _on_clock(self) -> None:
        request = self._request
        if request is None:
            return
        if self._desk.knows(request.case) and self._fault is None:
            results = self._desk.results_of(request.case)
            if self._come_in != self._drawn or results.awaits_layers:
                self._drawn = self._come_in
                try:
                    results.refresh()
                except Exception as error:
                    self._give_up(request.case, error)
                self._desk.results_changed.emit()
                if self._request is request:
                    self._clock.start()  # anew: what took long must not be followed by the next without a rest
        if not self.controller.is_cancelling:
            counts, remarks = self._counts(request), self.controller.remarks
            whose = self._name_of_other(request)
            self.bar.show_progress(self.controller.progress, *counts, remarks, before=self._before, case=whose)

    def _counts(self, request: RunRequest) -> tuple[int, int]:
        """Slices that are done and all that were asked for, with those of a run that this one goes on with."""
        return self._before + self._come_in, self._before + len(request.slices)

    def _name_of_other(self, request: RunRequest) -> str:
        """Whose run it is, where the panel shows another case."""
        return "" if self._desk.case is request.case else request.case.name

    def _give_up(self, case: Case, error: Exception) -> None:
        """Stop a run whose results cannot be shown: it would fail again with each of them."""
        self._fault = self._fault or worded(case, error)
        self.controller.cancel()

    def _on_ended(self, outcome: RunOutcome) -> None:
        self._on_clock()
        self._clock.stop()
        request, self._request = self._request, None
        if request is not None and self._desk.knows(request.case):
            try:
                self._desk.results_of(request.case).settle()
            except Exception as error:
                self._give_up(request.case, error)
        fault, self._fault = self._fault, None
        if fault is not None and outcome.error is None:
            outcome = RunOutcome(RunState.FAILED, fault, remarks=outcome.remarks)
        self._set_running(False)
        self.show_ready()
        if request is None:
            return
        outcome.let_go()
        if (self._come_in or self._goes_on) and self._desk.knows(request.case):
            results = self._desk.results_of(request.case)
            remarks = ending_remarks(results, request.case, self._put_aside)
            outcome = replace(outcome, remarks=(*outcome.remarks, *remarks))
        has_failed = outcome.state is RunState.FAILED
        if has_failed or self._problem() is None:  # else the case was closed meanwhile: what is missing matters more
            self.bar.show_ending(outcome, *self._counts(request), self._name_of_other(request))
        if has_failed:
            self._report_failure(outcome)
        self._desk.results_changed.emit()

    def _on_run_stepped(self) -> None:
        """Say what undo or redo has come to, in place of how the last run ended."""
        results, bundle = self._desk.results, self._desk.bundle
        if results is None or results.recipe is None or self.controller.is_running or self._problem() is not None:
            return
        if not (done := len(results.done)):
            self.bar.say(_TAKEN_BACK)
            return
        model = "" if bundle is not None and bundle.sha256 == results.recipe.model_sha256 else ", of another model"
        settings = told_apart(results.recipe.sampling, (recipe.sampling for recipe in results.kept.recipes))
        self.bar.say(f"On screen: {done} {'slice' if done == 1 else 'slices'} with {settings}{model}.")

    def _on_case_changed(self) -> None:
        """What was said of another case is no more."""
        if not self.controller.is_running:
            self.bar.say("")

    def _report_failure(self, outcome: RunOutcome) -> None:
        error = outcome.error
        if outcome.is_expected or error is None:
            show_error(outcome.reason)
        else:
            told = without_values(error)
            notification_manager.receive_error(type(told), told, told.__traceback__)
