"""Buttons that correct the mask in hand, and what can be taken back."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_ddmd import editing
from napari_ddmd.viewer import mask_tools
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.mask_tools import Mask, Sheet, Tool, ToolError, drawn_slices, is_expert, lesion_in_hand
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

_MODES = {
    "paint": (
        "Brush",
        "Paint with the mouse; [ and ] change the size. Without a mask, an empty one is begun; "
        "one that was removed comes back",
    ),
    "erase": ("Erase", "Rub out with the mouse; [ and ] change the size"),
    "fill": ("Fill", "Click to fill an area that has one label"),
}
_TOOLS: dict[str, tuple[str, Tool, str]] = {
    "fill": ("Fill holes", mask_tools.fill_holes, "Fill what the outline encloses"),
    "smooth": ("Smooth", mask_tools.smooth, "Smooth the outline by 1.5 mm; the volume stays"),
    "grow": (
        "Grow to edge",
        mask_tools.grow,
        "Grow into bright FLAIR around the mask, as far as its edge: at most 5 mm, and not out of the brain",
    ),
    "interpolate": (
        "Interpolate",
        mask_tools.interpolate,
        "Fill the slices between two that were edited by hand, with shapes that turn from one into the other: each "
        "into the one it overlaps, or the nearest near by",
    ),
    "remove": ("Clear slice", mask_tools.remove_slice, "Take all of the slice in sight out of the mask, in any plane"),
}
_MODE_AGAIN = "pan_zoom"
_SCOPES = ("this slice", "all slices")
_NO_SLICE = "No slice is in sight here: choose a plane above."
_NO_CORRECTION = "The expert's mask is not corrected: choose another mask above."


class CorrectBox(QWidget):
    """Brush, tools, undo and redo for the desk's mask in hand.

    Parameters
    ----------
    desk : Desk
        The case and the mask.

    Attributes
    ----------
    layer_links : ViewerLinks
        Connections to the layer; to be undone when the box dies.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.layer_links = ViewerLinks()
        self._job: tuple[Labels, str, str, Sheet] | None = None
        self._made: dict[int, int] = {}
        self.modes = {mode: QPushButton(text) for mode, (text, _tip) in _MODES.items()}
        self.tools = {key: QPushButton(text) for key, (text, _tool, _tip) in _TOOLS.items()}
        self.undo_button, self.redo_button = QPushButton("Undo"), QPushButton("Redo")
        self.scope = QComboBox()
        self.scope.addItems(_SCOPES)
        self.scope.setToolTip(
            "What Fill holes, Smooth, Grow to edge and Interpolate work on; this slice: the one in sight, in any plane"
        )
        self.scope.setAccessibleName("Slices that tools work on")
        self.message = QLabel("")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self._worker = Background(self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)
        self._lay_out()
        for mode, button in self.modes.items():
            button.setCheckable(True)
            button.setToolTip(_MODES[mode][1])
            button.clicked.connect(partial(self._on_mode, mode))
        for key, button in self.tools.items():
            button.setToolTip(_TOOLS[key][2])
            button.clicked.connect(partial(self.use, key))
        self.undo_button.clicked.connect(self.undo)
        self.redo_button.clicked.connect(self.redo)
        desk.case_changed.connect(self._on_mask)
        desk.mask_changed.connect(self._on_mask)
        desk.history_changed.connect(self._show)
        self._on_mask()

    @property
    def _is_whole(self) -> bool:
        """Whether tools work on all slices."""
        return self.scope.currentIndex() == 1

    @property
    def is_working(self) -> bool:
        """Whether a tool is at work in the background."""
        return self._job is not None

    def use(self, key: str, *_: object) -> None:
        """Use one of the tools on the mask in hand: fill, smooth, grow, interpolate or remove."""
        text, tool, _tip = _TOOLS[key]
        if self._desk.slice_in_sight is None and (key == "remove" or not self._is_whole):
            self.message.setText(_NO_SLICE)
            self._show()
        else:
            self._start(text, tool)

    def delete(self, place: Mask, number: int) -> None:
        """Delete the lesion that lies at a place ``(S, H, W)``.

        Parameters
        ----------
        place : (S, H, W) ndarray of bool
            Voxels of the lesion.
        number : int
            Its number, for the reader.
        """
        self._start(f"Delete lesion {number}", lambda sheet: editing.without_lesion(sheet.mask, place))

    def undo(self) -> None:
        """Take the latest step back."""
        self._step("undo")

    def redo(self) -> None:
        """Do again what was taken back."""
        self._step("redo")

    def _step(self, way: str) -> None:
        layer = self._desk.mask
        if layer is not None and not is_expert(layer):
            getattr(layer, way)()
            self.message.setText("")
            self._show()

    def _start(self, name: str, tool: Tool) -> None:
        case, layer = self._desk.case, self._desk.mask
        if case is None or layer is None or is_expert(layer) or self._job is not None:
            return
        axis, index = self._desk.slice_in_sight or (0, self._desk.current_slice)
        drawn = tuple(place for place in drawn_slices(self._desk) if self._made.get(place) != _mark(layer, place))
        sheet = Sheet(case, np.array(layer.data), index, self._is_whole, drawn, axis)
        self._job = (layer, name, f"{name}: ", sheet)
        self.message.setText(f"{name}…")
        self._show()
        self._worker.start(tool, sheet)

    def _on_done(self, after: Mask) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        layer, name, prefix, sheet = job
        try:
            changed = mask_tools.apply(self._desk, layer, _step_name(name), sheet.before, after)
        except ToolError as error:
            self.message.setText(str(error))
        else:
            if name == _TOOLS["interpolate"][0]:
                # They count as edited, yet they are not what the next interpolation starts from, unless another
                # lesion was drawn there.
                made = [int(index) for index in changed if index not in sheet.drawn or not sheet.before[index].any()]
                self._made.update({index: _mark(layer, index) for index in made})
            self.message.setText(prefix + _difference(sheet, after))
        self._show()

    def _on_failed(self, error: Exception) -> None:
        _layer, name, _prefix, _sheet = self._job if self._job is not None else (None, "", "", None)
        self._job = None
        text = reason(error)
        self.message.setText(text if isinstance(error, ToolError) else f"{name} failed, nothing was changed: {text}")
        self._show()

    def _on_mode(self, mode: str, checked: bool) -> None:
        layer = self._desk.mask
        case = self._desk.case
        if layer is None and case is not None and checked:
            # An empty mask of the case's own: it has a history, and a run fills what is not painted.
            results = self._desk.results_of(case)
            results.lesion.ensure(results.threshold)
            layer = self._desk.mask
        if layer is None:
            return
        self._desk.viewer.layers.selection.active = layer
        layer.visible = True
        if not layer.selected_label:
            layer.selected_label = 1
        layer.mode = mode if checked else _MODE_AGAIN
        self._show()

    def _on_mask(self) -> None:
        self.layer_links.disconnect()
        self._made.clear()
        self.message.setText("")
        layer = self._desk.mask
        if layer is not None:
            self.layer_links.connect(layer.events.mode, self._on_layer)
            self.layer_links.connect(layer.events.editable, self._on_layer)
        self._show()

    def _on_layer(self, _event: Any = None) -> None:
        self._show()

    def _show(self) -> None:
        layer, lesion = self._desk.mask, lesion_in_hand(self._desk)
        is_ours = layer is not None and not is_expert(layer) and bool(layer.editable)
        for mode, button in self.modes.items():
            button.setEnabled(is_ours or (layer is None and self._desk.case is not None and mode == "paint"))
            button.setChecked(layer is not None and is_ours and layer.mode == mode)
        tools: tuple[QWidget, ...] = (*self.tools.values(), self.scope)
        for widget in tools:
            widget.setEnabled(is_ours and not self.is_working)
        nothing = "nothing until the run has ended" if lesion is not None and lesion.is_in_run else "nothing"
        names = (None, None) if lesion is None else (lesion.next_undo, lesion.next_redo)
        for button, verb, name in zip((self.undo_button, self.redo_button), ("Undo", "Redo"), names, strict=True):
            # Labels that are not the case's own have napari's history, which does not tell what it holds.
            button.setEnabled(is_ours and (lesion is None or name is not None))
            button.setToolTip(f"{verb} {name}" if name else f"{verb}: {nothing}" if lesion is not None else verb)
        if layer is not None and is_expert(layer):
            self.message.setText(_NO_CORRECTION)
        self.message.setVisible(bool(self.message.text()))

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        rows: tuple[tuple[QWidget, ...], ...] = (
            tuple(self.modes.values()),
            (self.undo_button, self.redo_button, self.tools["remove"]),
            (QLabel("Tools work on"), self.scope, self.tools["interpolate"]),
            (self.tools["grow"], self.tools["smooth"], self.tools["fill"]),
        )
        for row, widgets in enumerate(rows):
            for place, widget in enumerate(widgets):
                grid.addWidget(widget, row, place)
                widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        for place in range(3):
            grid.setColumnStretch(place, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self.message)


def _step_name(name: str) -> str:
    return name[:1].lower() + name[1:]


def _mark(layer: Labels, index: int) -> int:
    data: NDArray[Any] = np.asarray(layer.data)
    return zlib.crc32(np.ascontiguousarray(data[index]).data)


def _difference(sheet: Sheet, after: Mask) -> str:
    """Say in millilitres what a tool has changed."""
    voxel = float(np.prod(sheet.case.spacing)) / 1000
    before = sheet.mask
    more, less = np.count_nonzero(after & ~before) * voxel, np.count_nonzero(before & ~after) * voxel
    parts = [f"{sign}{volume:.2f} mL" for sign, volume in (("+", more), ("−", less)) if volume]
    return ", ".join(parts) if parts else "nothing to change"
