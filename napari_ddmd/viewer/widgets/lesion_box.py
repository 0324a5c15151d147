"""The lesions of a mask in millilitres; a click goes to the lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import QPoint, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_ddmd.editing import Numbering
from napari_ddmd.viewer.drawn_for import is_drawing_of
from napari_ddmd.viewer.evidence import Evidence
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.mask_tools import is_expert
from napari_ddmd.viewer.measure import Measurement
from napari_ddmd.viewer.numberings import number_by
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.lesion_table import LesionTable
from napari_ddmd.viewer.widgets.measuring import Measuring
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case
    from napari_ddmd.lesions import Lesion

_UNSEEN = "No slice is segmented yet"
_UNDRAWN = "Nothing is drawn in this mask"


class LesionBox(QWidget):
    """A readout of one mask layer, kept up to date while it is painted on.

    Signals
    -------
    lesion_chosen
        The voxel ``(s, h, w)`` to go to.
    measured
        A `Measurement` is on show, or none any more.
    mask_changed
        Another mask is measured, or none.
    mask_edited
        Voxels of the mask changed.
    delete_wanted
        Voxels ``(S, H, W)`` and number of a lesion that is to be deleted.
    """

    lesion_chosen = Signal(object)
    measured = Signal()
    mask_changed = Signal()
    mask_edited = Signal()
    delete_wanted = Signal(object, int)

    def __init__(self, viewer: ViewerModel, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._case: Case | None = None
        self._evidence = Evidence()
        self._layers: list[Labels] = []
        self.layer_links = ViewerLinks()
        self._coverage, self._unsaid = "", ""
        self._has_failed = False
        self._vacant: int | None = None
        self._heard: Labels | None = None
        self.measurement: Measurement | None = None
        self.mask_list = QComboBox()
        self.mask_list.setAccessibleName("Mask in hand")
        self.mask_list.setToolTip("The mask that is measured and saved")
        self.mask_list.setPlaceholderText("no mask yet")
        self.mask_list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.total = QLabel("")
        self.total.setWordWrap(True)
        self.table = LesionTable()
        self.delete_button = QPushButton("Delete lesion")
        self.delete_button.setToolTip(
            "Take the lesion that is chosen in the table out of the mask (Delete key). Undo brings it back"
        )
        self.columns_button = QPushButton("Columns…")
        self.columns_button.hide()
        self.columns_button.setToolTip("Choose what the table shows; the discrepancy of each modality is there, too")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget, button in ((self.mask_list, self.columns_button), (self.total, self.delete_button)):
            line = QHBoxLayout()
            line.addWidget(widget, 1)
            line.addWidget(button)
            layout.addLayout(line)
        layout.addWidget(self.table)
        self.mask_list.currentIndexChanged.connect(self._on_mask_chosen)
        self.table.lesion_chosen.connect(self._on_lesion)
        self.table.delete_wanted.connect(self._on_delete)
        self.table.itemSelectionChanged.connect(self._show_delete)
        self.delete_button.clicked.connect(self.delete)
        self.columns_button.clicked.connect(self._ask_for_columns)
        self.measuring = Measuring(self)
        self.measuring.measured.connect(self._on_measured)
        self.measuring.failed.connect(self._on_not_measured)
        # Who has shown something else meanwhile shall show this again.
        self.measuring.unchanged.connect(self.measured)
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            links.connect(event, self._on_layers_changed)
        self._fill()

    @property
    def layer(self) -> Labels | None:
        """The layer that is measured."""
        index = self.mask_list.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def summary(self) -> str:
        """Number of lesions, volume and what it covers in words; empty where there is no mask."""
        return "".join(self._told())

    def set_case(self, case: Case | None, evidence: Evidence) -> None:
        """Measure the masks of another case.

        Parameters
        ----------
        case : Case or None
            The patient.
        evidence : Evidence
            What runs have said of it.
        """
        is_other, is_other_evidence = case is not self._case, not evidence.is_same_as(self._evidence)
        self._case, self._evidence = case, evidence
        self.measuring.watch(self.layer, case, evidence)
        if is_other:
            self._fill()
        if is_other_evidence:
            self.evidence_changed()

    def evidence_changed(self) -> None:
        """Measure soon, even where the mask has stayed: the probability was filled in place."""
        self.measuring.look_again()
        self.remeasure()

    def number_anew(self, mask: Labels) -> None:
        """Number the lesions of a mask by size again: a run makes others, while edits change the ones that there are.

        Parameters
        ----------
        mask : Labels
            In hand or not.
        """
        number_by(mask, None)
        if mask is self.layer:
            self.evidence_changed()

    def delete(self) -> None:
        """Ask to delete the lesion that is chosen in the table."""
        if self.table.lesion is not None:
            self._on_delete(self.table.lesion)

    def step(self, way: int) -> None:
        """Choose the next lesion of the table, or with −1 the one before, round and round.

        Where the one that was chosen is no more, as after it was deleted, its neighbours are next and before.
        """
        count = self.table.rowCount()
        if count:
            row = self.table.currentRow()
            start = row if row >= 0 else (self._vacant or 0) - (way > 0)
            to = (start + way) % count
            self.table.setCurrentCell(to, 0)
            if to == row and self.table.lesion is not None:  # the only one, of which the table tells no news
                self._on_lesion(self.table.lesion)

    def set_coverage(self, done: int, total: int) -> None:
        """Say next to the volume that only some of the slices have been segmented; both 0 says nothing.

        An empty mask of which no slice has been segmented must not pass for one without a lesion.
        """
        self._coverage = f" in {done} of {total} slices" if 0 < done < total else ""
        self._unsaid = _UNSEEN if total > 0 and not done else ""
        self._show_total()

    def set_undrawn(self) -> None:
        """Say of an empty mask that somebody added that nothing is drawn in it: nor must that pass for a finding."""
        self._coverage, self._unsaid = "", _UNDRAWN
        self._show_total()

    def remeasure(self) -> None:
        """Measure soon; calls in quick succession count once."""
        self.measuring.soon()

    def follow_threshold(self) -> bool:
        """Measure the mask of another threshold before the window is drawn again, where that is quick.

        Lesions are numbered by size again, so that their numbers do not depend on the thresholds in between.

        Returns
        -------
        bool
            Whether there are figures of it, or will be in a moment.
        """
        self.measuring.begin_anew()
        self.table.setCurrentCell(-1, -1)  # its number may be another lesion's from now on
        self._vacant = None
        return self.measuring.now() and self.measurement is not None

    def _mask_layers(self) -> list[Labels]:
        """Return the masks of the case, newest first: its own, and labels that somebody drew for it on its grid."""
        if self._case is None:
            return []
        masks = []
        for layer in self._viewer.layers:
            tag = tag_of(layer)
            is_own = tag is not None and tag.case is self._case and tag.role in (Role.LESION, Role.EXPERT)
            if isinstance(layer, Labels) and (is_own or is_drawing_of(layer, self._case)):
                masks.append(layer)
        return masks[::-1]

    def _on_layers_changed(self, event: Any) -> None:
        tag = tag_of(event.value) if event.type == "inserted" else None
        self._fill(prefer=event.value if tag is not None and tag.role == Role.LESION else None)

    def _fill(self, prefer: Labels | None = None) -> None:
        before = self.layer
        self._layers = self._mask_layers()
        names = [layer.name for layer in self._layers]
        self.mask_list.blockSignals(True)
        self.mask_list.clear()
        self.mask_list.addItems(names)
        self.mask_list.setEnabled(bool(names))
        # The expert's mask is measured only when it is asked for: it is not a result.
        candidates = (prefer, before, *(layer for layer in self._layers if not is_expert(layer)))
        chosen = next((layer for layer in candidates if layer in self._layers), None)
        self.mask_list.setCurrentIndex(-1 if chosen is None else self._layers.index(chosen))
        self.mask_list.blockSignals(False)
        self._listen()

    def _on_mask_chosen(self, _index: int) -> None:
        self._listen()

    def _listen(self) -> None:
        self.layer_links.disconnect()
        layer = self.layer
        if layer is not self._heard:
            # Figures of another mask must not pass for this one's, nor its voxels be deleted here.
            self._heard, self.measurement, self._vacant = layer, None, None
            self.measuring.watch(layer, self._case, self._evidence)
        if layer is not None:
            # Painting, filling and undo all end in one of these.
            events = layer.events
            for event in (events.paint, events.labels_update, events.set_data, events.data):
                self.layer_links.connect(event, self._on_painted)
        self.remeasure()
        self.mask_changed.emit()

    def _on_painted(self, _event: Any = None) -> None:
        self.remeasure()
        self.mask_edited.emit()

    def lesion_at(self, voxel: tuple[int, int, int]) -> int:
        """Return the number of the lesion in the table that a voxel ``(s, h, w)`` belongs to, 0 for none."""
        measurement = self.measurement  # once: napari asks in another thread
        return 0 if measurement is None else measurement.lesion_at(voxel)

    def numbering(self) -> Numbering | None:
        """Return a copy of what gives the lesions in the table their numbers."""
        return self.measuring.numbering()

    def go_on_numbering(self, numbering: Numbering) -> None:
        """Let the lesions of the mask bear the numbers that a session has kept."""
        self.measuring.begin_anew(numbering)
        self.remeasure()

    def _on_measured(self, measurement: Measurement | None) -> None:
        if measurement is not None:
            self._has_failed = False
        self._show(measurement)

    def _on_not_measured(self, error: Exception) -> None:
        # The figures of the mask before must not pass for this one's.
        self._show(None)
        # Told once, not again at each stroke of the brush.
        if not self._has_failed:
            show_error(f"The lesions could not be measured: {reason(error)}")
        self._has_failed = True

    def _show(self, measurement: Measurement | None) -> None:
        before, chosen, number = self.measurement, self.table.lesion, 0
        row = self.table.currentRow()
        if measurement is not None and before is not None and chosen is not None:
            # Where lesions are numbered anew, that number may be another one's, which would be deleted.
            number = measurement.number_of(chosen.label, before)
        self.measurement = measurement
        self._show_total()
        self.table.show_lesions([] if measurement is None else measurement.lesions, number)
        if chosen is not None:
            self._vacant = row if number == 0 else None
        self.columns_button.setVisible(self.table.rowCount() > 0)
        self._show_delete()
        self.measured.emit()

    def _show_total(self) -> None:
        self.total.setVisible(self.measurement is not None)
        finding, coverage = self._told()
        self.total.setText(f"<b>{finding}</b>{coverage}")

    def _told(self) -> tuple[str, str]:
        """What was found, and what of the brain that covers."""
        if self.measurement is None:
            return "", ""
        if self._unsaid and not self.measurement.count:
            return self._unsaid, ""
        return self.measurement.summary, self._coverage

    def _ask_for_columns(self) -> None:
        button = self.columns_button
        self.table.ask_for_columns(button.mapToGlobal(QPoint(0, button.height())))

    def _show_delete(self) -> None:
        layer = self.layer
        is_ours = layer is not None and not is_expert(layer)
        self.delete_button.setVisible(is_ours and self.table.rowCount() > 0)
        self.delete_button.setEnabled(self.table.lesion is not None)

    def _on_lesion(self, lesion: Lesion) -> None:
        self.lesion_chosen.emit(lesion.centroid)

    def _on_delete(self, lesion: Lesion) -> None:
        if self.measurement is None or self._case is None:
            return
        place = np.zeros(self._case.grid.shape, bool)
        place[self.measurement.voxels_of(lesion.label)] = True
        self.delete_wanted.emit(place, lesion.label)
