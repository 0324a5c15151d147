"""The panel: from a case and a model to lesions on screen and on disk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_ddmd.viewer.case_choice import open_cases
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.hover import Hover
from napari_ddmd.viewer.keys import Key, Keys
from napari_ddmd.viewer.navigation import real_viewer
from napari_ddmd.viewer.planes import Plane, show_plane, shown_plane
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.case_box import CaseBox
from napari_ddmd.viewer.widgets.lesion_tab import LesionTab
from napari_ddmd.viewer.widgets.look_tab import LookTab
from napari_ddmd.viewer.widgets.model_box import Installed, ModelBox
from napari_ddmd.viewer.widgets.plane_box import KeysDialog, PlaneBox
from napari_ddmd.viewer.widgets.run_part import RunPart
from napari_ddmd.viewer.widgets.sampling_box import SamplingBox
from napari_ddmd.viewer.widgets.save_tab import SaveTab
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column
from napari_ddmd.viewer.widgets.slice_box import SliceBox
from napari_ddmd.viewer.widgets.view_box import ViewBox
from napari_ddmd.viewer.window_level import WindowLevel

if TYPE_CHECKING:
    import napari

    from napari_ddmd.case import Case

_RESULTS_TIP = "Lesions of the mask in hand (tab Lesions)"


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
        self._was_docked = False
        self._viewer = real_viewer(napari_viewer)
        links = ViewerLinks()
        self._runs_when_ready = False
        self.desk = Desk(self._viewer, self)
        self.case_box = CaseBox(self._viewer, links)
        self.model_box = ModelBox()
        self.slice_box = SliceBox()
        self.sampling_box = SamplingBox()
        self.view_box = ViewBox()
        self.plane_box = PlaneBox()
        self.summary = QLabel("")
        self.run_part = RunPart(self.desk, self._problem, self)
        self.look_tab = LookTab(self.desk, links)
        self.lesion_tab = LesionTab(self.desk, links)
        self.save_tab = SaveTab(self.desk)
        self.four_panels = FourPanels(self._viewer, links)
        self.run_bar, self.controller = self.run_part.bar, self.run_part.controller
        self.result_box, self.lesion_box = self.look_tab.result_box, self.lesion_tab.lesion_box
        self.save_button = self.save_tab.save_button
        self._lay_out()
        self._connect(links)
        self._on_case_changed()

    def run(self) -> None:
        """Segment the chosen slices, less those that are done with the same settings."""
        case = self.desk.case
        slices = [] if case is None else self.slice_box.choice.slices(case.brain, self.desk.current_slice)
        self.run_part.start(slices, self.sampling_box.sampling)

    def run_when_ready(self) -> None:
        """Run as soon as the model is loaded."""
        self._runs_when_ready = True
        self._on_model_changed()

    def cancel(self) -> None:
        """Stop the run; the slices that are done stay."""
        self.run_part.cancel()

    def arrange(self, arrangement: Arrangement) -> None:
        """Divide the canvas."""
        self.four_panels.show(arrangement, self.desk.case)
        self.look_tab.overlay_box.show_state()
        self._show_arrangement()

    def show_plane(self, plane: Plane) -> None:
        """Show the case in another plane."""
        show_plane(self._viewer, plane)
        self._show_shown_plane()

    @property
    def results(self) -> ResultLayers | None:
        """Results of the case that the panel shows."""
        return self.desk.results

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
        self.summary.setToolTip(_RESULTS_TIP)
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setStyleSheet("font-weight: bold")
        find = column(
            ("Case", (self.case_box,)),
            ("Slices", (self.slice_box,)),
            ("Model", (self.model_box, self.sampling_box)),
        )
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for name, tab in (
            ("Find", VerticalScroll(find)),
            ("Look", self.look_tab),
            ("Lesions", self.lesion_tab),
            ("Save", self.save_tab),
        ):
            self.tabs.addTab(tab, name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addWidget(self.view_box)
        layout.addWidget(self.plane_box)
        layout.addWidget(self.summary)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.run_bar)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _connect(self, links: ViewerLinks) -> None:
        self.case_box.changed.connect(self._on_case_changed)
        self.view_box.arrangement_chosen.connect(self.arrange)
        self.model_box.installed.connect(self._on_installed)
        self.model_box.changed.connect(self._on_model_changed)
        self.run_bar.run_wanted.connect(self.run)
        self.run_bar.cancel_wanted.connect(self.cancel)
        self.plane_box.plane_chosen.connect(self.show_plane)
        self.plane_box.keys_wanted.connect(self._show_keys)
        links.connect(self._viewer.dims.events.order, self._show_shown_plane)
        self.keys = Keys(self._viewer, self._own_keys())
        hover, window_level = Hover(self.desk, links), WindowLevel(self._viewer)
        self.run_part.running_changed.connect(self._on_running)
        self.desk.results_changed.connect(self._show_arrangement)
        self.lesion_tab.summary_changed.connect(self._show_summary)
        # Not methods of the panel: those are disconnected before it tells that it is destroyed.
        self.destroyed.connect(links.disconnect)
        self.destroyed.connect(self.lesion_box.layer_links.disconnect)
        self.destroyed.connect(self.look_tab.overlay_box.layer_links.disconnect)
        for part in (hover, window_level, self.keys):
            self.destroyed.connect(part.release)

    def _own_keys(self) -> list[Key]:
        step_lesion, step_finding = self.lesion_box.step, self.desk.step_to_finding
        return [
            Key("N", "next lesion", partial(step_lesion, 1)),
            Key("Shift-N", "previous lesion", partial(step_lesion, -1)),
            Key(".", "next slice with a finding", partial(step_finding, 1)),
            Key(",", "previous slice with a finding", partial(step_finding, -1)),
            Key("H", "hide all overlays, or show them again", self.look_tab.overlay_box.toggle_all),
            *(
                Key(f"Alt-{number}", f"layout: {kind.value}", partial(self.arrange, kind))
                for number, kind in enumerate(Arrangement, start=1)
            ),
            *(
                Key(f"Alt-{number}", f"plane: {plane.value}", partial(self.show_plane, plane))
                for number, plane in enumerate(Plane, start=4)
            ),
        ]

    def _show_keys(self) -> None:
        KeysDialog(self.keys.keys, self).exec()

    def _show_shown_plane(self, _event: Any = None) -> None:
        self.plane_box.show_plane(shown_plane(self._viewer))

    def _problem(self) -> str | None:
        """Say why there can be no run, None where there can."""
        problem = self.case_box.problem()
        if problem is None and self.model_box.bundle is None:
            return "Choose a model."
        return problem

    def _on_running(self, running: bool) -> None:
        for box in (self.case_box, self.model_box, self.slice_box, self.sampling_box):
            box.setEnabled(not running)

    def _on_installed(self, installed: Installed) -> None:
        self.sampling_box.set_choices(installed.samplers, installed.devices)

    def _on_model_changed(self) -> None:
        bundle = self.desk.bundle = self.model_box.bundle
        self.sampling_box.set_bundle(bundle)
        self.sampling_box.setEnabled(bundle is not None)
        if bundle is not None and self.desk.results is None:
            self.desk.set_threshold(bundle.settings.sampling.threshold)
            self.result_box.set_threshold(self.desk.threshold)
        self.run_part.show_ready()
        if self._runs_when_ready and self._problem() is None:
            self._runs_when_ready = False
            self.run()

    def _on_case_changed(self) -> None:
        case: Case | None = self.case_box.case() if self.case_box.problem() is None else None
        self.desk.forget_all_but((*open_cases(self._viewer.layers), case, self.run_part.case))
        if case is not None and case is not self.slice_box.case:
            self.slice_box.set_case(case)
        self.desk.set_case(case)
        self.run_part.show_ready()
        self._show_arrangement()

    def _show_arrangement(self) -> None:
        available = self.four_panels.available(self.desk.case)
        self.view_box.set_available(available, self.four_panels.arrangement)

    def _show_summary(self, text: str) -> None:
        self.summary.setText(text)
        self.summary.setVisible(bool(text))
