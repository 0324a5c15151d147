"""The panel: from a case and a model to lesions on screen and on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.hover import Hover
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.navigation import real_viewer
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.room import make_room
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.case_box import CaseBox
from napari_ddmd.viewer.widgets.case_closer import CaseCloser
from napari_ddmd.viewer.widgets.caution_bar import CautionBar
from napari_ddmd.viewer.widgets.click_focus import leave_keys_when_clicked
from napari_ddmd.viewer.widgets.deleted_by_qt import delete_by_qt
from napari_ddmd.viewer.widgets.focus_ring import FocusRings
from napari_ddmd.viewer.widgets.layout_part import LayoutPart
from napari_ddmd.viewer.widgets.lesion_tab import LesionTab
from napari_ddmd.viewer.widgets.look_tab import LookTab
from napari_ddmd.viewer.widgets.model_box import Installed, ModelBox
from napari_ddmd.viewer.widgets.run_part import RunPart
from napari_ddmd.viewer.widgets.sampling_box import SamplingBox
from napari_ddmd.viewer.widgets.save_tab import SaveTab
from napari_ddmd.viewer.widgets.scroll import RemarkScroll, VerticalScroll, column
from napari_ddmd.viewer.widgets.slice_box import SliceBox
from napari_ddmd.viewer.widgets.summary_bar import SummaryBar
from napari_ddmd.viewer.window_title import WindowTitle
from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    import napari

    from napari_ddmd.case import Case

_RECOUNT_MS = 200


class SegmentationPanel(QWidget):
    """Segment the case on screen.

    Above and below stand what is needed always: how the canvas is divided, the volume, and the Run button. Between
    them, a tab for each thing that a reader does: find, look, correct, save.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer that the panel is docked in.
    """

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._was_docked = self._has_room = False
        self._viewer = real_viewer(napari_viewer)
        links = ViewerLinks()
        self._runs_when_ready = False
        self.desk = Desk(self._viewer, self)
        self._title = WindowTitle(self._viewer)
        self.case_box = CaseBox(self._viewer, links)
        self.model_box = ModelBox()
        self.slice_box = SliceBox()
        self.sampling_box = SamplingBox()
        self.sampling_box.setEnabled(False)  # its values are a model's
        self.layout_part = LayoutPart(self.desk, links)
        self.caution_bar = CautionBar(self.desk)
        self.summary_bar = SummaryBar(self.desk)
        self.run_part = RunPart(self.desk, self._problem, self)
        self.look_tab = LookTab(self.desk, links, lambda: self.sampling_box.sampling)
        self.lesion_tab = LesionTab(self.desk, links)
        self.save_tab = SaveTab(self.desk, self.lesion_tab.lesion_box.numbering)
        self.view_box, self.four_panels = self.layout_part.view_box, self.layout_part.four_panels
        self.summary = self.summary_bar.label
        self.run_bar, self.controller = self.run_part.bar, self.run_part.controller
        self.result_box, self.lesion_box = self.look_tab.result_box, self.lesion_tab.lesion_box
        self.save_button = self.save_tab.save_button
        self.save_button.mask_saved.connect(self.lesion_tab.autosave_box.saved)
        self.case_closer = CaseCloser(self, links)
        for saves in (self.save_button, self.save_tab.session_box):
            saves.mask_saved.connect(self.case_closer.note_saved)
        self._lay_out()
        self._connect(links)
        self.save_tab.session_box.attach(self)
        self._on_case_changed()

    def run(self) -> None:
        """Segment the chosen slices, less those that are done with the same settings."""
        case = self.desk.case
        slices = [] if case is None else self.slice_box.choice.slices(case.brain, self.desk.current_slice)
        self.run_part.start(slices, self.sampling_box.sampling, allow_missing=self.case_box.goes_without)

    def run_when_ready(self) -> None:
        """Run as soon as the model is loaded."""
        self._runs_when_ready = True
        self._on_model_changed()

    def cancel(self) -> None:
        """Stop the run; the slices that are done stay. One that waits for the model never starts."""
        self._runs_when_ready = False
        self.run_part.cancel()

    def arrange(self, arrangement: Arrangement) -> None:
        """Divide the canvas."""
        self.layout_part.arrange(arrangement)

    def show_plane(self, plane: Plane) -> None:
        """Show the case in another plane."""
        self.desk.show_plane(plane)

    @property
    def results(self) -> ResultLayers | None:
        """Results of the case that the panel shows."""
        return self.desk.results

    def event(self, event: QEvent | None) -> bool:
        """End with the dock: napari takes the panel out of a dock that is closed, and leaves it to itself.

        When it is first shown, napari's own docks may have to make room.
        """
        if event is not None and event.type() == QEvent.Type.Show and not self._has_room:
            window = self.window()
            self._has_room = window is not self
            if window is not None:
                make_room(window)
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.run_part.leave()
                if self.save_tab.session_box.is_opening:
                    self.save_tab.session_box.cancel()  # what has come in of it would go at any time after this
                self.look_tab.denoising_box.close_sequence()
                self.lesion_tab.compare_box.tick.setChecked(False)  # its overlay would stay as it is now
                delete_by_qt(self)
                # The buttons that would put the layers back go with the panel.
                self.four_panels.show(Arrangement.SINGLE, None)
                self._title.name(None)
            self._was_docked = self.parent() is not None
        return bool(super().event(event))

    def _lay_out(self) -> None:
        find = column(
            ("Case", (self.case_box,)),
            ("Slices", (self.slice_box,)),
            ("Model", (self.model_box, self.sampling_box)),
        )
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        bar = self.tabs.tabBar()
        assert bar is not None
        bar.setDrawBase(False)  # a white line in napari's themes
        bar.setAccessibleName("What to do: find, look, correct, save")
        for name, tab in (
            ("Find", VerticalScroll(find)),
            ("Look", self.look_tab),
            ("Lesions", self.lesion_tab),
            ("Save", self.save_tab),
        ):
            self.tabs.addTab(tab, name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(5, 8, 5, 8)
        layout.setSpacing(6)
        layout.addWidget(self.layout_part)
        layout.addWidget(RemarkScroll(self.caution_bar))
        layout.addWidget(self.summary_bar)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.run_bar)
        # Qt would walk through the tab in front before the bar of tabs.
        self.setTabOrder(self.summary_bar.accept_button, bar)
        FocusRings(self)
        leave_keys_when_clicked(self)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _connect(self, links: ViewerLinks) -> None:
        self.case_box.changed.connect(self._on_case_changed)
        self.case_box.close_wanted.connect(self.case_closer.close)
        self.model_box.installed.connect(self._on_installed)
        self.model_box.changed.connect(self._on_model_changed)
        self.run_bar.run_wanted.connect(self.run)
        self.sampling_box.cost.told.connect(self.run_bar.set_cost)
        for box in (self.slice_box, self.sampling_box):
            box.changed.connect(self._show_cost)
        self.caution_bar.looked.connect(self._show_cost)
        self._recount = QTimer(self)
        self._recount.setSingleShot(True)
        self._recount.setInterval(_RECOUNT_MS)
        self._recount.timeout.connect(self._show_cost)
        for signal in (self.desk.results_changed, self.desk.history_changed):
            signal.connect(self._recount.start)
        self.desk.run_stepped.connect(self._take_settings)
        links.connect(self._viewer.dims.events.current_step, self._on_step)
        self.run_bar.cancel_wanted.connect(self.cancel)
        overlay_box = self.look_tab.overlay_box
        self.layout_part.arranged.connect(overlay_box.show_state)
        self.layout_part.bind_keys(
            self.lesion_box.step,
            overlay_box.toggle_all,
            self.summary_bar.toggle_accepted,
            self.lesion_tab.correct_box.undo,
            self.lesion_tab.correct_box.redo,
            self.run_bar.button.click,
        )
        hover = Hover(self.desk, links, self.lesion_box.lesion_at)
        self.run_part.running_changed.connect(self._on_running)
        self.run_part.running_changed.connect(self.look_tab.denoising_box.set_running)
        self.lesion_tab.summary_changed.connect(self.summary_bar.say)
        self.lesion_tab.edited_box.counted.connect(self.result_box.set_edited)
        self.desk.threshold_changed.connect(self._show_volume)
        # Not methods of the panel: those are disconnected before it tells that it is destroyed.
        self.destroyed.connect(links.disconnect)
        self.destroyed.connect(self.lesion_box.layer_links.disconnect)
        self.destroyed.connect(self.look_tab.overlay_box.layer_links.disconnect)
        self.destroyed.connect(hover.release)

    def _problem(self) -> str | None:
        """Say why there can be no run, None where there can."""
        problem = self.case_box.problem()
        if problem is None and self.model_box.bundle is None:
            return "The model is being loaded." if self.model_box.is_coming else "Choose a model."
        return problem

    def _show_volume(self) -> None:
        """Measure the mask of another threshold at once; its volume where telling lesions apart takes longer."""
        results = self.desk.results
        if results is None or not results.computed:  # nothing was cut: what is drawn keeps its numbers
            return
        is_models = self.desk.mask is not None and self.desk.mask is results.lesion.layer
        if is_models and not self.lesion_box.follow_threshold():
            self.summary_bar.say(f"{millilitres(results.lesion.volume_ml)} mL")

    def _show_cost(self) -> None:
        case, choice = self.desk.case, self.slice_box.choice
        if self.controller.is_running:
            return
        if case is None:
            self.sampling_box.cost.set_work(0, None)
            return
        slices = choice.slices(case.brain, self.desk.current_slice)
        left, emptied = self.run_part.prospect(slices, self.sampling_box.sampling)
        if choice.mode is SliceMode.CURRENT:
            left = 1  # which slice that is changes all the time
        looks = 0
        if self.desk.bundle is not None:
            from napari_ddmd.evened import looks_before  # with torch, which the model has loaded

            looks = looks_before(case, self.desk.bundle)
        self.sampling_box.cost.set_work(left, case.grid.shape, emptied, looks)

    def _take_settings(self) -> None:
        """Show the settings of the run that undo or redo has come to, as its results are on screen."""
        results = self.desk.results
        if results is not None and results.recipe is not None and not self.controller.is_running:
            self.sampling_box.set_sampling(results.recipe.sampling)

    def _on_step(self, _event: object) -> None:
        if self.slice_box.choice.mode is SliceMode.CURRENT:
            self._recount.start()

    def _on_running(self, running: bool) -> None:
        self.case_box.set_running(running)
        for box in (self.model_box, self.slice_box):
            box.setEnabled(not running)
        self._allow_settings()
        if not running:
            self._show_cost()
            self._forget_closed(self.desk.case)

    def _allow_settings(self) -> None:
        self.sampling_box.setEnabled(self.desk.bundle is not None and self.run_part.case is None)

    def _forget_closed(self, case: Case | None) -> None:
        """Let go of the cases that are closed, but for one that a run is still on, or whose layers are still there."""
        tagged = (tag.case for layer in self._viewer.layers if (tag := tag_of(layer)) is not None)
        self.desk.forget_all_but({case, self.run_part.case, self.case_box.made, *tagged})

    def _on_installed(self, installed: Installed) -> None:
        self.sampling_box.set_choices(installed.samplers, installed.devices)

    def _on_model_changed(self) -> None:
        bundle = self.desk.bundle = self.model_box.bundle
        self.sampling_box.set_bundle(bundle)
        self.caution_bar.show_again()
        self._allow_settings()
        if bundle is not None:
            self.desk.wanted_threshold.follow_model(bundle.settings.sampling.threshold)
            self.look_tab.show_threshold()
        self._show_cost()
        self.run_part.show_ready()
        if self._runs_when_ready and self._problem() is None:
            self._runs_when_ready = False
            self.run()

    def _on_case_changed(self) -> None:
        case: Case | None = self.case_box.case() if self.case_box.problem() is None else None
        self.run_part.stop_if_closed()
        self._forget_closed(case)
        # Where a layer is missing for a moment, the choice of slices stays.
        if case is not self.slice_box.case and (case is not None or self.case_box.made is None):
            self.slice_box.set_case(case)
        self.desk.set_case(case)
        self._title.name(case)
        self.layout_part.follow(self.case_box.tagged_case)
        self._show_cost()
        self.run_part.show_ready()
