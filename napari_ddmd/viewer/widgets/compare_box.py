"""How far the mask in hand agrees with the expert's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_ddmd.agreement import BOTH, ONLY_FIRST, ONLY_SECOND, Agreement, compare
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import Role, grid_arguments, is_of
from napari_ddmd.viewer.mask_tools import is_expert
from napari_ddmd.viewer.outlines_away import OutlinesAway
from napari_ddmd.viewer.selection import selection_kept
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.without_values import reason
from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    from napari_ddmd.case import Case

_AFTER_MS = 300
# Okabe and Ito's colours, which any colour vision tells apart.
_COLORS: dict[int | None, str] = {BOTH: "#009E73", ONLY_FIRST: "#E69F00", ONLY_SECOND: "#56B4E9"}
_NAMES: dict[int | None, str] = {BOTH: "both", ONLY_FIRST: "only the mask", ONLY_SECOND: "only the expert"}
_ROWS = (
    ("Dice", "2 · overlap / (mask + expert): 1 is full agreement"),
    ("Dice, this slice", "Of the current axial slice alone"),
    ("HD95", "95th percentile of the distances between the outlines"),
    ("Mask", "Volume of the mask in hand"),
    ("Expert", "Volume of the expert's mask"),
    ("Only the mask", "False positive: the expert has no lesion there"),
    ("Only the expert", "False negative: the mask misses it"),
)
_NONE = "–"


class CompareBox(QWidget):
    """Figures and an overlay of the mask in hand against the expert's mask.

    Nothing of the expert's mask is shown before it is asked for: it would bias the reader. While the overlay is shown,
    the outlines of the two masks are hidden: they would mix with its colours.

    Parameters
    ----------
    desk : Desk
        The case and the mask.
    links : ViewerLinks
        Undoes the connections to the viewer.

    Attributes
    ----------
    away : OutlinesAway
        The outlines that are hidden for the overlay.
    """

    def __init__(self, desk: Desk, links: ViewerLinks, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._agreement: Agreement | None = None
        self._overlay: Labels | None = None
        self._overlay_case: Case | None = None
        self._comparing = False
        self.away = away = OutlinesAway()
        self._overlay_links = overlay_links = ViewerLinks()
        self.tick = QCheckBox("Compare with the expert's mask")
        self.tick.setToolTip("Shows figures, and where the two masks differ")
        self.overlay_tick = QCheckBox("Overlay on the image")
        self.overlay_tick.setToolTip("Colours where both have lesion, and where only one of them has")
        self.overlay_tick.setChecked(True)
        self.note = QLabel("")
        self.note.setWordWrap(True)
        self.partial = QLabel("")
        self.partial.setWordWrap(True)
        self.partial.hide()
        self.values = [QLabel(_NONE) for _ in _ROWS]
        self._details = self._make_details()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.note, self.tick, self._details):
            layout.addWidget(widget)
        self._worker = Background(self)
        self._worker.done.connect(self._on_compared)
        self._worker.failed.connect(self._on_failed)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_AFTER_MS)
        self._clock.timeout.connect(self._compare)
        self.tick.toggled.connect(self._on_tick)
        self.overlay_tick.toggled.connect(self._show_overlay)
        desk.case_changed.connect(self._on_case)
        desk.mask_changed.connect(self.away.show_again)
        # The lesion is hidden under the overlay, and a hidden layer is not drawn while slices come in.
        for signal in (desk.mask_changed, desk.mask_edited, desk.history_changed, desk.results_changed):
            signal.connect(self._soon)
        links.connect(desk.viewer.dims.events.current_step, self._show_slice)
        links.connect(desk.viewer.layers.events.removed, self._on_removed)
        # Not their methods: Qt would not keep them alive until then.
        self.destroyed.connect(lambda: away.show_again())
        self.destroyed.connect(lambda: overlay_links.disconnect())
        self._on_case()

    @property
    def overlay(self) -> Labels | None:
        """The layer that shows where the masks differ, None where there is none."""
        layer = self._overlay
        return layer if layer is not None and layer in self._desk.viewer.layers else None

    def _can_compare(self) -> bool:
        case, layer = self._desk.case, self._desk.mask
        return case is not None and case.mask is not None and layer is not None and not is_expert(layer)

    def _on_case(self) -> None:
        self._remove_overlay()
        self._agreement = None
        self.tick.setChecked(False)
        self._soon()

    def _on_tick(self, wanted: bool) -> None:
        if not wanted:
            self._remove_overlay()
        self._soon()

    def _soon(self) -> None:
        case = self._desk.case
        has_expert = case is not None and case.mask is not None
        can = self._can_compare()
        self.tick.setVisible(has_expert)
        self.tick.setEnabled(can)
        self._details.setVisible(can and self.tick.isChecked())
        if not has_expert:
            self.note.setText("No expert's mask comes with this case." if case is not None else "No case.")
        elif not can:
            self.note.setText("There is no mask in hand to compare: run the model, or paint one.")
        self.note.setVisible(not can)
        if can and self.tick.isChecked():
            if not self._clock.isActive():
                self._clock.start()
        elif self._overlay is not None:
            self._remove_overlay()

    def _compare(self) -> None:
        case, layer = self._desk.case, self._desk.mask
        if case is None or case.mask is None or layer is None or not self._can_compare():
            return
        if self._comparing:
            self._clock.start()
            return
        self._comparing = True
        self._worker.start(_compared, np.array(layer.data), case)

    def _on_compared(self, answer: tuple[Case, Agreement]) -> None:
        case, agreement = answer
        self._comparing = False
        if case is not self._desk.case or not self.tick.isChecked() or not self._can_compare():
            return
        self._agreement = agreement
        volumes = (agreement.mask_ml, agreement.expert_ml, agreement.only_mask_ml, agreement.only_expert_ml)
        distance = _NONE if math.isnan(agreement.hd95) else f"{agreement.hd95:.1f} mm"
        texts = (f"{agreement.dice:.3f}", "", distance, *(f"{millilitres(volume)} mL" for volume in volumes))
        for label, text in zip(self.values, texts, strict=True):
            label.setText(text)
        self.partial.setText(self._what_is_left_out(case))
        self.partial.setVisible(bool(self.partial.text()))
        self._show_slice()
        self._show_overlay()

    def _what_is_left_out(self, case: Case) -> str:
        """Say that the figures are of the whole head, where the model has seen a part of it."""
        results = self._desk.results
        if results is None or not results.done or self._desk.mask is not results.lesion.layer:
            return ""  # the mask is the reader's own
        missing = len(set(case.brain_slices) - results.done - set(results.lesion.edited_slices))
        return (
            f"{missing} of {len(case.brain_slices)} slices have not been run; they count as without lesion."
            if missing
            else ""
        )

    def _on_failed(self, error: Exception) -> None:
        self._comparing = False
        for label in self.values:
            label.setText(_NONE)
        self.values[0].setText(f"failed: {reason(error)}")

    def _show_slice(self, _event: Any = None) -> None:
        if self._agreement is not None and self._desk.case is not None:
            figure = self._agreement.slice_dice[self._desk.current_slice]
            self.values[1].setText(_NONE if math.isnan(figure) else f"{figure:.3f}")

    def _on_removed(self, event: Any) -> None:
        """Show the outlines again if the user deletes the overlay in napari's list."""
        if event.value is self._overlay:
            self._overlay_links.disconnect()
            self.away.show_again()

    def _hide_outlines(self) -> None:
        layers = [layer for layer in self._desk.viewer.layers if isinstance(layer, Labels)]
        case, mask = self._desk.case, self._desk.mask
        self.away.hide(
            layer for layer in layers if layer is mask or (case is not None and is_of(layer, case) and is_expert(layer))
        )

    def _show_overlay(self, _on: bool = True) -> None:
        case, agreement = self._desk.case, self._agreement
        layer = self.overlay
        is_put_away = layer is not None and not layer.visible and self._overlay_case is case
        if case is None or agreement is None or not (self.overlay_tick.isChecked() or is_put_away):
            self._remove_overlay()
            return
        if layer is None and self._overlay is not None and self._overlay_case is case:
            # The user has deleted it in napari's list.
            self._overlay = self._overlay_case = None
            self.overlay_tick.setChecked(False)
            return
        if layer is not None and self._overlay_case is case:
            layer.data[:] = agreement.overlap
            layer.visible = self.overlay_tick.isChecked()
            layer.refresh(extent=False)
            if layer.visible:
                self._hide_outlines()
            return
        viewer = self._desk.viewer
        layer = Labels(
            agreement.overlap.copy(),
            name=Role.COMPARISON.value,
            colormap=_colormap(),
            opacity=0.6,
            **grid_arguments(case, Role.COMPARISON),
        )
        layer.editable = False
        self._overlay, self._overlay_case = layer, case
        self._overlay_links.connect(layer.events.visible, self._show_tick)
        with selection_kept(viewer.layers):
            viewer.layers.append(layer)
        self._hide_outlines()

    def _show_tick(self, _event: Any = None) -> None:
        """Let the tick say what is on the image, whoever hides the overlay or shows it; it stays there for them."""
        if (layer := self.overlay) is not None:
            with QSignalBlocker(self.overlay_tick):
                self.overlay_tick.setChecked(layer.visible)

    def _remove_overlay(self) -> None:
        layer, self._overlay, self._overlay_case = self.overlay, None, None
        self._overlay_links.disconnect()
        if layer is not None:
            if not layer.visible:  # hidden for a moment, not unwanted
                with QSignalBlocker(self.overlay_tick):
                    self.overlay_tick.setChecked(True)
            self._desk.viewer.layers.remove(layer)
        self.away.show_again()

    def _make_details(self) -> QWidget:
        details = QWidget()
        grid = QGridLayout(details)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        # First what the colours on the image mean: the figures may be out of sight on a small screen.
        legend = QLabel(
            "&nbsp;&nbsp; ".join(f'<span style="color:{_COLORS[key]}">■</span> {_NAMES[key]}' for key in _COLORS)
        )
        for row, widget in enumerate((self.overlay_tick, legend)):
            grid.addWidget(widget, row, 0, 1, 3)
        for row, ((name, tip), value) in enumerate(zip(_ROWS, self.values, strict=True), start=2):
            label = QLabel(name)
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            for place, widget in enumerate((label, value)):
                widget.setToolTip(tip)
                grid.addWidget(widget, row, place)
        grid.setColumnStretch(2, 1)
        grid.addWidget(self.partial, grid.rowCount(), 0, 1, 3)
        return details


def _colormap() -> dict[int | None, str]:
    return {None: "transparent", 0: "transparent", **_COLORS}


def _compared(mask: Any, case: Case) -> tuple[Case, Agreement]:
    assert case.mask is not None
    return case, compare(mask, case.mask, case.spacing)
