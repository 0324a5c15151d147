"""Tab *Lesions*: each lesion in millilitres, and what corrects the mask."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.evidence import Evidence
from napari_ddmd.viewer.mask_tools import is_expert, lesion_in_hand
from napari_ddmd.viewer.numberings import are_new
from napari_ddmd.viewer.sight import bring_into_sight
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.autosave_box import AutosaveBox
from napari_ddmd.viewer.widgets.compare_box import CompareBox
from napari_ddmd.viewer.widgets.correct_box import CorrectBox
from napari_ddmd.viewer.widgets.edited_box import EditedBox
from napari_ddmd.viewer.widgets.lesion_box import LesionBox
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column


class LesionTab(QWidget):
    """The mask in hand: which one it is, what it measures, what corrects it, and how far it agrees with the expert's.

    Parameters
    ----------
    desk : Desk
        Told which mask is in hand.
    links : ViewerLinks
        Undoes the connections to the viewer.

    Signals
    -------
    summary_changed
        The volume in one line, empty where there is no mask.
    """

    summary_changed = Signal(str)

    def __init__(self, desk: Desk, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.lesion_box = LesionBox(desk.viewer, links)
        self.correct_box, self.edited_box = CorrectBox(desk), EditedBox(desk, links)
        self.compare_box = CompareBox(desk, links)
        self.autosave_box = AutosaveBox(desk)
        self.not_kept = QLabel("Edits of this mask are not saved by themselves: save it in the tab Save.")
        self.not_kept.setWordWrap(True)
        content = column(
            ("Lesions", (self.autosave_box, self.lesion_box, self.not_kept)),
            ("Correct", (self.correct_box, self.edited_box)),
            ("Expert", (self.compare_box,)),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(VerticalScroll(content))
        self.lesion_box.lesion_chosen.connect(self._go_to)
        self.lesion_box.delete_wanted.connect(self.correct_box.delete)
        self.lesion_box.mask_changed.connect(self._on_mask)
        self.lesion_box.mask_edited.connect(desk.mask_edited)
        self.lesion_box.measured.connect(self._show_coverage)
        desk.case_changed.connect(self._show)
        desk.results_changed.connect(self._show_results)
        desk.threshold_changed.connect(self._number_anew)
        self.destroyed.connect(self.correct_box.layer_links.disconnect)
        self._show()

    def _number_anew(self) -> None:
        """Number the lesions by size where the model's results are other ones, whichever mask is in hand."""
        results = self._desk.results
        if results is not None and results.lesion.layer is not None and are_new(results):
            self.lesion_box.number_anew(results.lesion.layer)

    def _show(self) -> None:
        self._number_anew()
        self.lesion_box.set_case(self._desk.case, Evidence.of(self._desk.volumes))
        self._on_mask()

    def _show_results(self) -> None:
        self._show()
        self.lesion_box.evidence_changed()
        self._show_coverage()

    def _go_to(self, voxel: tuple[float, float, float]) -> None:
        self._desk.go_to_voxel(voxel)
        if self._desk.case is not None:
            bring_into_sight(self._desk.viewer, self._desk.case, voxel)

    def _on_mask(self) -> None:
        self._desk.set_mask(self.lesion_box.layer)
        self._show_kept()  # a mask may have become the lesion since it was taken in hand

    def _show_kept(self) -> None:
        """Say where edits are not saved by themselves: in all masks but the case's own lesion."""
        mask = self._desk.mask
        is_edited = mask is not None and not is_expert(mask)
        self.not_kept.setVisible(is_edited and lesion_in_hand(self._desk) is None)

    def _show_coverage(self) -> None:
        """Say beside the volume how much of the brain it covers: a part must not pass for the whole."""
        case, results = self._desk.case, self._desk.results
        is_ours = results is not None and self.lesion_box.layer is results.lesion.layer
        is_restored = results is not None and not results.done and self._desk.has_said
        if self._desk.mask is not None and not is_ours and not self._desk.says_something:
            self.lesion_box.set_undrawn()
        elif case is None or results is None or not is_ours or is_restored:
            self.lesion_box.set_coverage(0, 0)
        else:
            brain = case.brain_slices
            self.lesion_box.set_coverage(len(results.done.intersection(brain)), len(brain))
        self.summary_changed.emit(self.lesion_box.summary)
