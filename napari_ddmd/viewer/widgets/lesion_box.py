"""The lesions of a mask in millilitres; a click goes to the lesion."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_ddmd.editing import Numbering
from napari_ddmd.viewer.evidence import Evidence
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.mask_tools import is_expert
from napari_ddmd.viewer.measure import Measurement, fingerprint, measure
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.viewer.widgets.lesion_table import LesionTable
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_ddmd.case import Case
    from napari_ddmd.lesions import Lesion

_QUICK_S = 0.05
"""A mask that takes less can be measured at once; others are measured beside the window."""
_MOST_MS = 400
_REST = 4
"""How many times as long as it has measured a mask it waits before it measures one again: the interpreter is shared."""
_SHORT_REST = 1
"""The same for masks that are measured at once."""


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
        self._numbering: Numbering | None = None
        self._layers: list[Labels] = []
        self.layer_links = ViewerLinks()
        self._coverage = ""
        self._measuring = self._is_stale = self._has_failed = False
        self._began = self._free_from = 0.0
        self._cost = math.inf
        self._revision = 0
        self._seen: tuple[int, int, int] | None = None
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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        line = QHBoxLayout()
        line.addWidget(self.total, 1)
        line.addWidget(self.delete_button)
        layout.addWidget(self.mask_list)
        layout.addLayout(line)
        layout.addWidget(self.table)
        self.mask_list.currentIndexChanged.connect(self._on_mask_chosen)
        self.table.lesion_chosen.connect(self._on_lesion)
        self.table.delete_wanted.connect(self._on_delete)
        self.table.itemSelectionChanged.connect(self._show_delete)
        self.delete_button.clicked.connect(self.delete)
        self._worker = Background(self)
        self._worker.done.connect(self._on_measured)
        self._worker.failed.connect(self._on_not_measured)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self._measure)
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
        return "" if self.measurement is None else f"{self.measurement.summary}{self._coverage}"

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
        if is_other:
            self._forget()  # the same labels measure something else in another case
            self._numbering = None
            self._fill()
        if is_other_evidence:
            self.evidence_changed()

    def evidence_changed(self) -> None:
        """Measure soon, even where the mask has stayed: the probability was filled in place.

        Lesions are numbered by size again: a run makes others, while edits change the ones that there are.
        """
        self._revision += 1
        self._numbering = None
        self.remeasure()

    def delete(self) -> None:
        """Ask to delete the lesion that is chosen in the table."""
        if self.table.lesion is not None:
            self._on_delete(self.table.lesion)

    def step(self, way: int) -> None:
        """Choose the next lesion of the table, or with −1 the one before, round and round."""
        count = self.table.rowCount()
        if count:
            row = self.table.currentRow()
            self.table.setCurrentCell((row + way) % count if row >= 0 else (0 if way > 0 else count - 1), 0)

    def set_coverage(self, done: int, total: int) -> None:
        """Say next to the volume that only some of the slices have been segmented; both 0 says nothing."""
        self._coverage = f" in {done} of {total} slices" if done < total else ""
        self._show_total()

    def remeasure(self) -> None:
        """Measure at once, or where that was done just before, soon; calls in quick succession count once."""
        if self._measuring and self.layer is not None:
            # A mask that changes faster than it is measured must not keep the readout from ever coming.
            self._is_stale = True
        elif not self._clock.isActive():
            self._clock.start(max(0, round(1000 * (self._free_from - time.monotonic()))))

    def measure_now(self) -> bool:
        """Measure before the window is drawn again, if that is quick and was not just done; tell whether it was."""
        if self._measuring or self._cost > _QUICK_S or time.monotonic() < self._free_from:
            return False
        self._clock.stop()
        self._measure(now=True)
        return True

    def _mask_layers(self) -> list[Labels]:
        """Return the masks of the case, newest first: its own, and labels that somebody drew on its grid."""
        if self._case is None:
            return []
        masks = []
        for layer in self._viewer.layers:
            tag = tag_of(layer)
            is_own = tag is not None and tag.case is self._case and tag.role in (Role.LESION, Role.EXPERT)
            fits = tag is None and isinstance(layer, Labels) and layer.data.shape == self._case.grid.shape
            if isinstance(layer, Labels) and (is_own or fits):
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
            self._heard, self.measurement, self._numbering = layer, None, None
            self._forget()
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

    def _measure(self, *, now: bool = False) -> None:
        layer = self.layer
        if layer is None or self._case is None:
            self._forget()
            self._show(None)
            return
        mask = np.asarray(layer.data)
        seen = (id(layer), fingerprint(mask), self._revision)
        if seen == self._seen:
            # Who has shown something else meanwhile shall show this again.
            self.measured.emit()
            return
        self._seen, self._began = seen, time.monotonic()
        self._measuring, self._is_stale = True, False
        if self._numbering is None:
            self._numbering = Numbering(mask.shape)
        if not now:
            # A copy: the user may go on painting while it is measured.
            self._worker.start(_measured, mask.copy(), self._case, self._evidence, self._numbering)
            return
        try:
            answer = _measured(mask, self._case, self._evidence, self._numbering)
        except Exception as error:
            self._on_not_measured(error)
        else:
            self._on_measured(answer, _SHORT_REST)

    def _forget(self) -> None:
        """Drop what is being measured."""
        self._worker.forget()
        self._measuring = self._is_stale = False
        self._seen = None

    def numbering(self) -> Numbering | None:
        """Return a copy of what gives the lesions in the table their numbers."""
        return deepcopy(self._numbering)

    def _on_measured(self, answer: tuple[Measurement, float], rest: int = _REST) -> None:
        self._has_failed = False
        measurement, self._cost = answer
        self._rest(rest)
        self._show(measurement)

    def _on_not_measured(self, error: Exception) -> None:
        # The figures of the mask before must not pass for this one's.
        self._rest(_REST)
        self._cost = math.inf
        self._show(None)
        # Told once, not again at each stroke of the brush.
        if not self._has_failed:
            show_error(f"The lesions could not be measured: {reason(error)}")
        self._has_failed = True

    def _rest(self, rest: int) -> None:
        self._measuring, now = False, time.monotonic()
        self._free_from = now + min(_MOST_MS / 1000, rest * (now - self._began))
        if self._is_stale:
            self.remeasure()

    def _show(self, measurement: Measurement | None) -> None:
        self.measurement = measurement
        self._show_total()
        self.table.show_lesions([] if measurement is None else measurement.lesions)
        self._show_delete()
        self.measured.emit()

    def _show_total(self) -> None:
        self.total.setVisible(self.measurement is not None)
        if self.measurement is not None:
            self.total.setText(f"<b>{self.measurement.summary}</b>{self._coverage}")

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


def _measured(mask: NDArray[Any], case: Case, evidence: Evidence, numbering: Numbering) -> tuple[Measurement, float]:
    """The measurement, and the seconds of this thread that it took."""
    began = time.thread_time()
    measurement = _numbered(mask, case, evidence, numbering)
    return measurement, time.thread_time() - began


def _numbered(mask: NDArray[Any], case: Case, evidence: Evidence, numbering: Numbering) -> Measurement:
    found = measure(mask, case, evidence.probability, uncertainty=evidence.uncertainty, scores=evidence.scores)
    if found.labels is None:
        return found
    numbers = numbering.number(found.labels, found.corner)
    lesions = [replace(lesion, label=int(numbers[lesion.label])) for lesion in found.lesions]
    return replace(found, lesions=lesions, labels=numbers[found.labels])
