"""The lesions of a mask in millilitres; a click goes to the lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.measure import Measurement, fingerprint, measure, millilitres
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_ddmd.case import Case

_MEASURE_AFTER_MS = 400
_COLUMNS = ("Lesion", "mL", "Slices", "Prob.")


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
    """

    lesion_chosen = Signal(object)
    measured = Signal()
    mask_changed = Signal()
    mask_edited = Signal()

    def __init__(self, viewer: ViewerModel, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._case: Case | None = None
        self._probability: NDArray[np.float32] | None = None
        self._layers: list[Labels] = []
        self.layer_links = ViewerLinks()
        self._coverage = ""
        self._measuring = self._has_failed = False
        self._revision = 0
        self._seen: tuple[int, int, int] | None = None
        self.measurement: Measurement | None = None
        self.mask_list = QComboBox()
        self.mask_list.setToolTip("The mask that is measured and saved")
        self.mask_list.setPlaceholderText("no mask yet")
        self.mask_list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.total = QLabel("")
        self.table = _make_table()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.mask_list, self.total, self.table):
            layout.addWidget(widget)
        self.mask_list.currentIndexChanged.connect(self._on_mask_chosen)
        self.table.cellClicked.connect(self._on_row)
        self.table.currentCellChanged.connect(self._on_row)
        self._worker = Background(self)
        self._worker.done.connect(self._on_measured)
        self._worker.failed.connect(self._on_not_measured)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_MEASURE_AFTER_MS)
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

    def set_case(self, case: Case | None, probability: NDArray[np.float32] | None) -> None:
        """Measure the masks of another case.

        Parameters
        ----------
        case : Case or None
            The patient.
        probability : (S, H, W) ndarray or None
            Averaged over each lesion.
        """
        is_other, is_other_probability = case is not self._case, probability is not self._probability
        self._case, self._probability = case, probability
        if is_other:
            self._fill()
        if is_other_probability:
            self.probability_changed()

    def probability_changed(self) -> None:
        """Measure soon, even where the mask has stayed: the probability was filled in place."""
        self._revision += 1
        self.remeasure()

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
        """Measure soon; calls in quick succession count once."""
        if not self._clock.isActive():
            self._clock.start()

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
        candidates = (prefer, before, *(layer for layer in self._layers if not _is_expert(layer)))
        chosen = next((layer for layer in candidates if layer in self._layers), None)
        self.mask_list.setCurrentIndex(-1 if chosen is None else self._layers.index(chosen))
        self.mask_list.blockSignals(False)
        self._listen()

    def _on_mask_chosen(self, _index: int) -> None:
        self._listen()

    def _listen(self) -> None:
        self.layer_links.disconnect()
        layer = self.layer
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

    def _measure(self) -> None:
        layer = self.layer
        if layer is None or self._case is None:
            self._worker.forget()
            self._measuring, self._seen = False, None
            self._show(None)
            return
        mask = np.asarray(layer.data)
        seen = (id(layer), fingerprint(mask), self._revision)
        if seen == self._seen:
            return
        if self._measuring:
            # A mask that changes faster than it is measured must not keep the readout from ever coming.
            self.remeasure()
            return
        self._seen = seen
        self._measuring = True
        # A copy: the user may go on painting while it is measured.
        self._worker.start(measure, mask.copy(), self._case, self._probability)

    def _on_measured(self, measurement: Measurement) -> None:
        self._measuring = self._has_failed = False
        self._show(measurement)

    def _on_not_measured(self, error: Exception) -> None:
        # The figures of the mask before must not pass for this one's.
        self._measuring = False
        self._show(None)
        # Told once, not again at each stroke of the brush.
        if not self._has_failed:
            show_error(f"The lesions could not be measured: {' '.join(str(error).split()) or type(error).__name__}")
        self._has_failed = True

    def _show(self, measurement: Measurement | None) -> None:
        self.measurement = measurement
        lesions = [] if measurement is None else measurement.lesions
        self._show_total()
        self.table.setVisible(bool(lesions))
        self.table.blockSignals(True)
        self.table.setRowCount(len(lesions))
        for row, lesion in enumerate(lesions):
            first, last = lesion.slices
            probability = "" if lesion.mean_probability is None else f"{lesion.mean_probability:.2f}"
            texts = (
                str(lesion.label),
                millilitres(lesion.volume_ml),
                f"{first}" if first == last else f"{first}-{last}",
                probability,
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self.table.setCurrentCell(-1, -1)
        self.table.blockSignals(False)
        self.measured.emit()

    def _show_total(self) -> None:
        self.total.setVisible(self.measurement is not None)
        if self.measurement is not None:
            self.total.setText(f"<b>{self.measurement.summary}</b>{self._coverage}")

    def _on_row(self, row: int, *_: int) -> None:
        if self.measurement is not None and 0 <= row < len(self.measurement.lesions):
            self.lesion_chosen.emit(self.measurement.lesions[row].centroid)


def _is_expert(layer: Labels) -> bool:
    tag = tag_of(layer)
    return tag is not None and tag.role == Role.EXPERT


def _make_table() -> QTableWidget:
    table = QTableWidget(0, len(_COLUMNS))
    table.setHorizontalHeaderLabels(_COLUMNS)
    table.setToolTip("Click a lesion to go to its middle slice")
    rows, columns = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None
    assert columns is not None
    rows.hide()
    columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    # As high as its rows need, within limits: the Save button below should stay in sight.
    table.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
    table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
    table.setMinimumHeight(60)
    table.setMaximumHeight(180)
    table.hide()
    return table
