"""How a window stands: put so by a session, or back as it stood before one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.compat import isalive

from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.session.stored_window import StoredView
from napari_ddmd.viewer.session.views import give_view, view_of

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_ddmd.viewer.widgets.panel import SegmentationPanel


class WindowBefore:
    """Remembers the case in hand, and how it is looked at, to put all back.

    Parameters
    ----------
    panel : SegmentationPanel
        In the window.
    """

    def __init__(self, panel: SegmentationPanel) -> None:
        desk, viewer = panel.desk, panel.desk.viewer
        self._panel = panel
        self._owner, self._case, self._mask = panel.case_box.tagged_case, desk.case, desk.mask
        self._arrangement = panel.four_panels.arrangement
        self._active = viewer.layers.selection.active
        self._slices = panel.slice_box.choice
        self._moved = desk.wanted_threshold.moved
        self._compares = panel.lesion_tab.compare_box.tick.isChecked()
        self._view: StoredView | None = None if desk.case is None else view_of(viewer, desk.case)

    def put_back(self) -> None:
        """Let the window stand as it stood; what has come since must be gone."""
        panel, viewer = self._panel, self._panel.desk.viewer
        if not (isalive(panel) and isalive(panel.case_box.case_list)):  # type: ignore[no-untyped-call]
            return  # the window was closed meanwhile
        panel.desk.wanted_threshold.move(self._moved)
        panel.case_box.choose(self._owner)
        panel.look_tab.show_threshold()
        if self._case is None or panel.desk.case is not self._case:
            return
        panel.slice_box.set_mode(self._slices.mode)
        panel.slice_box.range_slider.setValue((self._slices.first, self._slices.last))
        take_in_hand(panel, self._mask)
        panel.lesion_tab.compare_box.tick.setChecked(self._compares)
        arrange(panel, self._arrangement.value)
        if self._view is not None:
            give_view(viewer, self._view)
        if self._active is not None and self._active in viewer.layers:
            viewer.layers.selection.active = self._active


def take_in_hand(panel: SegmentationPanel, layer: Layer | None) -> None:
    """Choose the mask that is measured; one that is none of the case's is passed over."""
    masks = panel.lesion_box.mask_list
    index = -1 if layer is None else masks.findText(layer.name)
    if index >= 0:
        masks.setCurrentIndex(index)


def arrange(panel: SegmentationPanel, name: str) -> None:
    """Divide the canvas in a layout by its name; what the case has no images for is passed over."""
    kind = next((kind for kind in panel.four_panels.available(panel.desk.case) if kind.value == name), None)
    if kind is not None and kind is not Arrangement.SINGLE:
        panel.arrange(kind)
