"""Window and level by dragging with the right button, as on a reading station."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.case_layers import contrast_limits
from napari_ddmd.viewer.layer_tag import tag_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_RIGHT = 2
_FULL_DRAG_PX = 400.0


class WindowLevel:
    """Changes the contrast of the modality under the mouse; a double click of the right button resets it.

    Nothing happens over other layers, nor while a labels layer is being painted on: there the right button is
    napari's own.

    Parameters
    ----------
    viewer : ViewerModel
        Whose mouse it is.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        viewer.mouse_drag_callbacks.append(self._drag)
        viewer.mouse_double_click_callbacks.append(self._reset)

    def release(self) -> None:
        """Leave the mouse to napari."""
        for callbacks in (self._viewer.mouse_drag_callbacks, self._viewer.mouse_double_click_callbacks):
            for own in (self._drag, self._reset):
                if own in callbacks:
                    callbacks.remove(own)

    def image_at(self, viewbox: Any = None) -> Image | None:
        """Return the topmost visible modality, in the grid that of a cell ``(row, column)``."""
        grid = self._viewer.canvas.grid
        layers = self._viewer.layers
        for index in reversed(range(len(layers))):
            layer = layers[index]
            tag = tag_of(layer)
            if not (isinstance(layer, Image) and layer.visible and tag is not None and tag.role in MODALITIES):
                continue
            if grid.enabled and viewbox is not None and tuple(grid.position(index, layers)) != tuple(viewbox):
                continue
            return layer
        return None

    def _is_free(self) -> bool:
        active = self._viewer.layers.selection.active
        return not isinstance(active, Labels) or str(active.mode) == "pan_zoom"

    def _drag(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        layer = self.image_at(event.viewbox) if event.button == _RIGHT and self._is_free() else None
        if layer is None:
            return
        event.handled = True
        x, y = event.pos
        low, high = layer.contrast_limits
        most = max(layer.contrast_limits_range[1], high) - min(layer.contrast_limits_range[0], low)
        yield
        while event.type == "mouse_move":
            event.handled = True
            right, down = event.pos[0] - x, event.pos[1] - y
            window = max(high - low + right / _FULL_DRAG_PX * most, most / 1000)
            # Upwards is brighter.
            level = (high + low) / 2 + down / _FULL_DRAG_PX * most
            set_window(layer, window, level)
            self._viewer.status = f"{layer.name}: window {window:.4g}, level {level:.4g}"
            yield
        event.handled = True

    def _reset(self, _viewer: Any, event: Any) -> None:
        layer = self.image_at(event.viewbox) if event.button == _RIGHT and self._is_free() else None
        if layer is not None:
            layer.contrast_limits = contrast_limits(layer.data)
            event.handled = True


def set_window(layer: Image, window: float, level: float) -> None:
    """Show the intensities ``level ± window / 2`` of a layer from black to white."""
    low, high = level - window / 2, level + window / 2
    before = layer.contrast_limits_range
    layer.contrast_limits_range = (min(before[0], low), max(before[1], high))
    layer.contrast_limits = (low, high)
