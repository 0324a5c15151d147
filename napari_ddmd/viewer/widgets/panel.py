"""The panel: from a case and a model to lesions on screen and on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.notifications import notification_manager, show_error, show_info
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_ddmd.viewer.case_choice import open_cases
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.navigation import current_slice, go_to_slice, real_viewer
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import RunRequest
from napari_ddmd.viewer.run_stream import RunOutcome, RunState
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.case_box import CaseBox
from napari_ddmd.viewer.widgets.lesion_box import LesionBox
from napari_ddmd.viewer.widgets.model_box import Installed, ModelBox
from napari_ddmd.viewer.widgets.result_box import ResultBox
from napari_ddmd.viewer.widgets.run_bar import RunBar
from napari_ddmd.viewer.widgets.run_controller import RunController
from napari_ddmd.viewer.widgets.sampling_box import SamplingBox
from napari_ddmd.viewer.widgets.save_button import Saveable, SaveButton
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column
from napari_ddmd.viewer.widgets.slice_box import SliceBox
from napari_ddmd.viewer.widgets.view_box import ViewBox

if TYPE_CHECKING:
    import napari

    from napari_ddmd.case import Case
    from napari_ddmd.segment import SliceResult

# How often the screen follows a run: often enough to look alive, seldom enough to stay out of its way.
_CLOCK_MS = 120
_NO_BRAIN = "No slice holds brain: every modality is zero everywhere."
_ALL_DONE = "These slices are done with these settings. Another seed gives other masks."


class SegmentationPanel(QWidget):
    """Segment the case on screen.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer that the panel is docked in.
    """

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._was_docked = False
        self._viewer = real_viewer(napari_viewer)
        links = ViewerLinks()
        self._results: dict[Case, ResultLayers] = {}
        self._request: RunRequest | None = None
        self._come_in = self._drawn = 0
        self._runs_when_ready = False
        self.case_box = CaseBox(self._viewer, links)
        self.view_box = ViewBox()
        self.model_box = ModelBox()
        self.slice_box = SliceBox()
        self.sampling_box = SamplingBox()
        self.run_bar = RunBar()
        self.result_box = ResultBox()
        self.lesion_box = LesionBox(self._viewer, links)
        self.save_button = SaveButton(self._saveable)
        self.four_panels = FourPanels(self._viewer, links)
        self.controller = RunController(self)
        self._clock = QTimer(self)
        self._clock.setInterval(_CLOCK_MS)
        self._lay_out()
        self._connect(links)
        self._on_case_changed()

    def run(self) -> None:
        """Segment the chosen slices, less those that are done with the same settings."""
        bundle = self.model_box.bundle
        problem = self._problem()
        if problem is not None or bundle is None or self.controller.is_running:
            self.run_bar.set_ready(problem)
            return
        case = self.case_box.case()
        slices = self.slice_box.choice.slices(case.brain, current_slice(self._viewer, case))
        request = RunRequest(case, bundle, self.sampling_box.sampling, tuple(slices))
        results = self._results_of(case)
        if request.recipe == results.recipe:
            request = request.without(results.done)
        if not request.slices:
            results.restore()
            self._show_results()
            self.run_bar.say(_NO_BRAIN if not slices else _ALL_DONE)
            return
        results.begin()
        self._request, self._come_in, self._drawn = request, 0, 0
        self._set_running(True)
        self.controller.start(request)
        self._clock.start()

    def run_when_ready(self) -> None:
        """Run as soon as the model is loaded."""
        self._runs_when_ready = True
        self._on_model_changed()

    def cancel(self) -> None:
        """Stop the run; the slices that are done stay."""
        if self.controller.is_running:
            self.controller.cancel()
            self.run_bar.set_cancelling()

    def arrange(self, arrangement: Arrangement) -> None:
        """Divide the canvas."""
        self.four_panels.show(arrangement, self._case())
        self._show_results()

    @property
    def results(self) -> ResultLayers | None:
        """Results of the case that the panel shows."""
        case = self._case()
        return None if case is None else self._results.get(case)

    def event(self, event: QEvent | None) -> bool:
        """End with the dock: napari takes the panel out of a dock that is closed, and leaves it to itself."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.controller.cancel()
                self.deleteLater()
                # The buttons that would put the layers back go with the panel.
                self.four_panels.show(Arrangement.SINGLE, None)
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def _lay_out(self) -> None:
        content = column(
            ("Case", (self.case_box, self.view_box)),
            ("Model", (self.model_box,)),
            ("Run", (self.slice_box, self.sampling_box, self.run_bar)),
            ("Result", (self.result_box, self.lesion_box, self.save_button)),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(VerticalScroll(content))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _connect(self, links: ViewerLinks) -> None:
        self.case_box.changed.connect(self._on_case_changed)
        self.view_box.arrangement_chosen.connect(self.arrange)
        self.model_box.installed.connect(self._on_installed)
        self.model_box.changed.connect(self._on_model_changed)
        self.run_bar.run_wanted.connect(self.run)
        self.run_bar.cancel_wanted.connect(self.cancel)
        self.result_box.threshold_changed.connect(self._on_threshold)
        self.result_box.sample_chosen.connect(self._on_sample)
        self.lesion_box.lesion_chosen.connect(self._on_lesion_chosen)
        self.lesion_box.measured.connect(self._on_measured)
        self.controller.arrived.connect(self._on_arrived)
        self.controller.ended.connect(self._on_ended)
        self._clock.timeout.connect(self._on_clock)
        # Not methods of the panel: those are disconnected before it tells that it is destroyed.
        self.destroyed.connect(links.disconnect)
        self.destroyed.connect(self.lesion_box.layer_links.disconnect)

    def _case(self) -> Case | None:
        return self.case_box.case() if self.case_box.problem() is None else None

    def _results_of(self, case: Case) -> ResultLayers:
        if case not in self._results:
            self._results[case] = ResultLayers(self._viewer, case, show_info)
            self._results[case].threshold = float(self.result_box.threshold.value())
        return self._results[case]

    def _problem(self) -> str | None:
        """Say why there can be no run, None where there can."""
        problem = self.case_box.problem()
        if problem is None and self.model_box.bundle is None:
            return "Choose a model."
        return problem

    def _set_running(self, running: bool) -> None:
        self.run_bar.set_running(running)
        for box in (self.case_box, self.model_box, self.slice_box, self.sampling_box):
            box.setEnabled(not running)

    def _on_installed(self, installed: Installed) -> None:
        self.sampling_box.set_choices(installed.samplers, installed.devices)

    def _on_model_changed(self) -> None:
        bundle = self.model_box.bundle
        self.sampling_box.set_bundle(bundle)
        self.sampling_box.setEnabled(bundle is not None)
        if bundle is not None and self.results is None:
            self.result_box.set_threshold(bundle.settings.sampling.threshold)
        self.run_bar.set_ready(self._problem())
        if self._runs_when_ready and self._problem() is None:
            self._runs_when_ready = False
            self.run()

    def _on_case_changed(self) -> None:
        case = self._case()
        still_open = open_cases(self._viewer.layers)
        running = None if self._request is None else self._request.case
        for closed in [one for one in self._results if one not in (*still_open, case, running)]:
            del self._results[closed]
        if case is not None and case is not self.slice_box.case:
            self.slice_box.set_case(case)
        self.run_bar.set_ready(self._problem())
        self._show_results()

    def _show_results(self) -> None:
        """Let the lower half of the panel speak of the case that is chosen."""
        case, results = self._case(), self.results
        volumes = None if results is None else results.volumes
        if results is not None:
            self.result_box.set_threshold(results.threshold)
        self.result_box.set_samples(0 if results is None else results.samples)
        self.lesion_box.set_case(case, None if volumes is None else volumes.probability)
        self.view_box.set_available(self.four_panels.available(case), self.four_panels.arrangement)
        self._update_save_button()

    def _show_coverage(self) -> None:
        """Say beside the volume how much of the brain it covers: a part must not pass for the whole."""
        case, results = self._case(), self.results
        if case is None or results is None or self.lesion_box.layer is not results.lesion.layer:
            self.lesion_box.set_coverage(0, 0)
            return
        brain = set(np.flatnonzero(case.brain.any(axis=(1, 2))).tolist())
        self.lesion_box.set_coverage(len(brain & results.done), len(brain))

    def _on_measured(self) -> None:
        self._show_coverage()
        self._update_save_button()

    def _update_save_button(self) -> None:
        self.save_button.set_available(self.lesion_box.layer is not None)

    def _saveable(self) -> Saveable | None:
        case, layer, results = self._case(), self.lesion_box.layer, self.results
        if case is None or layer is None:
            return None
        volumes = None if results is None else results.volumes
        return case, np.asarray(layer.data), None if volumes is None else volumes.probability

    def _on_arrived(self, result: SliceResult) -> None:
        request = self._request
        if request is None:
            return
        results = self._results_of(request.case)
        results.add(request.recipe, result)
        self._come_in += 1
        if self._come_in == 1:
            if current_slice(self._viewer, request.case) not in request.slices:
                go_to_slice(self._viewer, request.case, result.index)
            self._show_results()

    def _on_clock(self) -> None:
        request = self._request
        if request is None:
            return
        if request.case in self._results and self._come_in != self._drawn:
            self._drawn = self._come_in
            self._results[request.case].refresh()
            self.lesion_box.probability_changed()
            self._show_coverage()
        if not self.controller.is_cancelling:
            self.run_bar.show_progress(self.controller.progress, self._come_in, len(request.slices))

    def _on_ended(self, outcome: RunOutcome) -> None:
        self._clock.stop()
        self._on_clock()
        request, self._request = self._request, None
        if request is not None and request.case in self._results:
            self._results[request.case].settle()
            self.lesion_box.probability_changed()
        self._set_running(False)
        self.run_bar.set_ready(self._problem())
        if request is None:
            return
        if outcome.state is RunState.FAILED:
            self._report_failure(outcome)
        elif self._problem() is None:
            # Else the case was closed meanwhile, and what is missing now matters more.
            self.run_bar.say(_ending(self._come_in, len(request.slices)))
        self._show_results()

    def _report_failure(self, outcome: RunOutcome) -> None:
        self.run_bar.say(f"Failed: {outcome.reason}")
        error = outcome.error
        if outcome.is_expected or error is None:
            show_error(outcome.reason)
        else:
            notification_manager.receive_error(type(error), error, error.__traceback__)

    def _on_threshold(self, threshold: float) -> None:
        if self.results is not None:
            self.results.set_threshold(threshold)

    def _on_sample(self, number: int) -> None:
        if self.results is not None:
            self.results.show_sample(number)

    def _on_lesion_chosen(self, index: int) -> None:
        case = self._case()
        if case is not None:
            go_to_slice(self._viewer, case, index)


def _ending(done: int, total: int) -> str:
    if done < total:
        return f"Cancelled: {done} of {total} slices are done. Run goes on from there."
    return f"Done: {done} {'slice' if done == 1 else 'slices'}."
