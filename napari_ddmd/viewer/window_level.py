"""Window and level by dragging with the right button, as on a reading station."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels
from napari.utils.interactions import mouse_press_callbacks

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.viewer.case_layers import contrast_limits
from napari_ddmd.viewer.layer_tag import Role, tag_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_RIGHT = 2
_FULL_DRAG_PX = 400.0
_STILL_PX = 4.0
_RESTING = ("paint", "erase", "fill", "pick")
"""Modes of labels that rest while the right button is down: most do with it what they do with the left one."""
# Maps have windows, too, once they are on show by themselves.
_WINDOWED = (*MODALITIES, Role.INTER, Role.INTRA, Role.PROBABILITY, Role.UNCERTAINTY)

Limits = tuple[float, float]


class WindowLevel:
    """Changes the contrast of the image under the mouse; a double click of the right button resets it.

    Nothing happens where no image of a case is on screen, in 3D, with a modifier, or while the polygon or a
    transformation of the active layer is in use: there the right button is napari's own. Brush, eraser, fill and picker
    rest while it is down. With the brush, a click that is not dragged begins napari's outline, which follows the mouse
    until it closes; till then all buttons are napari's, but for a double click of this one, which gives it up.

    Parameters
    ----------
    viewer : ViewerModel
        Whose mouse it is.
    image_in : callable
        Returns the image of a cell ``(row, column)`` of the divided canvas, None where it is not divided.
    say : callable
        Shows the window and the level while they change; called with an empty text in the end.
    own_limits : callable
        Returns between which a map is displayed unless somebody changes it, None for other images.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image_in: Callable[[tuple[int, int]], Layer | None] = lambda _cell: None,
        say: Callable[[str], None] = lambda _text: None,
        own_limits: Callable[[Image], Limits | None] = lambda _image: None,
    ) -> None:
        self._viewer, self._image_in, self._say, self._own_limits = viewer, image_in, say, own_limits
        self._first: WeakKeyDictionary[Image, tuple[Limits, Limits]] = WeakKeyDictionary()
        viewer.mouse_drag_callbacks.append(self._drag)
        # napari zooms at a double click of any button.
        clicks = viewer.mouse_double_click_callbacks
        self._zooms = {call: _Unless(self._image_for, call) for call in clicks if _name(call) == "double_click_to_zoom"}
        clicks[:] = [self._zooms.get(call, call) for call in clicks]
        clicks.append(self._on_double_click)

    def release(self) -> None:
        """Leave the mouse to napari."""
        own_zooms = {own: call for call, own in self._zooms.items()}
        clicks = self._viewer.mouse_double_click_callbacks
        clicks[:] = [own_zooms.get(call, call) for call in clicks]
        for callbacks in (self._viewer.mouse_drag_callbacks, self._viewer.mouse_double_click_callbacks):
            for own in (self._drag, self._on_double_click):
                if own in callbacks:
                    callbacks.remove(own)

    def image_at(self, cell: tuple[int, int] | None = None) -> Image | None:
        """Return the image of a cell; on the undivided canvas the active one, or else the topmost modality."""
        if self._viewer.canvas.grid.enabled:
            image = None if cell is None else self._image_in((cell[0], cell[1]))
            return image if image is not None and _has_window(image) else None
        active = self._viewer.layers.selection.active
        if active is not None and _has_window(active):
            return active
        for layer in reversed(self._viewer.layers):
            tag = tag_of(layer)
            if _has_window(layer) and tag is not None and tag.role in MODALITIES:
                return layer
        return None

    def reset(self, cell: tuple[int, int] | None = None) -> None:
        """Show an image as when it was opened; without a cell, on the divided canvas, all of them."""
        if cell is None and self._viewer.canvas.grid.enabled:
            rows, columns = self._viewer.canvas.grid.actual_shape(self._viewer.layers)
            cells = product(range(rows), range(columns))
            images = [self.image_at(place) for place in cells]
        else:
            images = [self.image_at(cell)]
        for image in images:
            self._reset(image)

    def _reset(self, image: Image | None) -> None:
        tag = None if image is None else tag_of(image)
        if image is None or tag is None:
            return
        first, own = self._first.pop(image, None), self._own_limits(image)
        if own is not None:  # a run since may have other values
            image.contrast_limits_range = (own[0], 2 * own[1])
            image.contrast_limits = own
        elif first is not None:
            image.contrast_limits, image.contrast_limits_range = first
        if tag.role in MODALITIES:
            image.contrast_limits = contrast_limits(image.data)

    def _image_for(self, event: Any) -> Image | None:
        """Return the image that a press or a double click is meant for, None where it is napari's."""
        active = self._viewer.layers.selection.active
        is_tool_in_use = active is not None and str(active.mode) not in ("pan_zoom", *_RESTING)
        is_ours = event.button == _RIGHT and not event.modifiers and self._viewer.dims.ndisplay == 2
        return None if is_tool_in_use or not is_ours else self.image_at(event.viewbox)

    def _drag(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        image = self._image_for(event)
        if image is None or _has_outline(self._viewer.layers.selection.active):
            return
        # The camera, which would zoom, is not told of a press that is handled; the active layer is.
        event.handled = True
        active = self._viewer.layers.selection.active
        with self._tool_at_rest():
            is_dragged = yield from self._follow(image, event)
        if not is_dragged and active is not None and str(active.mode) == "paint":
            mouse_press_callbacks(active, event)  # of which the brush was not told at the time

    @contextmanager
    def _tool_at_rest(self) -> Iterator[None]:
        """Take the tool of the active layer out of its hand for as long as the button is down."""
        active = self._viewer.layers.selection.active
        mode = "" if active is None else str(active.mode)
        if active is None or mode not in _RESTING:
            yield
            return
        active.mode = "pan_zoom"
        try:
            yield
        finally:
            if str(active.mode) == "pan_zoom":
                active.mode = mode

    def _follow(self, image: Image, event: Any) -> Generator[None, None, bool]:
        """Set window and level as far as the mouse is dragged; return whether it was."""
        x, y = event.pos
        low, high = image.contrast_limits
        most = image.contrast_limits_range[1] - image.contrast_limits_range[0]
        is_dragged = False
        yield
        while event.type == "mouse_move":
            right, down = event.pos[0] - x, event.pos[1] - y
            is_dragged = is_dragged or max(abs(right), abs(down)) >= _STILL_PX
            if not is_dragged:  # a hand that clicks trembles
                yield
                continue
            self._first.setdefault(image, ((low, high), tuple(image.contrast_limits_range)))
            window = min(max(high - low + right / _FULL_DRAG_PX * most, most / 1000), 2 * most)
            # Upwards is brighter.
            level = (high + low) / 2 + down / _FULL_DRAG_PX * most
            set_window(image, window, level)
            self._say(f"{_title(image)}  W {_figure(window, most)}  L {_figure(level, most)}")
            yield
        self._say("")
        return is_dragged

    def _on_double_click(self, _viewer: Any, event: Any) -> None:
        active = self._viewer.layers.selection.active
        if self._image_for(event) is None:
            return
        if isinstance(active, Labels) and _has_outline(active):
            active._overlays["brush_stroke"].abort(active)  # its first click has begun one
        event.handled = True
        self.reset(event.viewbox)


def set_window(image: Image, window: float, level: float) -> None:
    """Show the intensities ``level ± window / 2`` of a layer from black to white."""
    low, high = level - window / 2, level + window / 2
    before = image.contrast_limits_range
    if low < before[0] or high > before[1]:
        image.contrast_limits_range = (min(before[0], low), max(before[1], high))
    image.contrast_limits = (low, high)


def _has_outline(layer: Layer | None) -> bool:
    """Whether an outline is being drawn with the brush."""
    return isinstance(layer, Labels) and bool(layer._overlays["brush_stroke"].active)


def _has_window(layer: Layer) -> bool:
    tag = tag_of(layer)
    return isinstance(layer, Image) and bool(layer.visible) and tag is not None and tag.role in _WINDOWED


def _title(image: Image) -> str:
    tag = tag_of(image)
    return str(image.name) if tag is None else MODALITY_LABELS.get(tag.role, str(image.name))


def _figure(value: float, most: float) -> str:
    return f"{value:.0f}" if most >= 50 else f"{value:.2f}" if most >= 0.5 else f"{value:.3g}"


def _name(call: Any) -> str:
    return str(getattr(call, "__name__", ""))


class _Unless:
    """Calls another callback of the mouse, unless the event is somebody's."""

    def __init__(self, wants: Callable[[Any], object], call: Callable[[Any, Any], object]) -> None:
        self._wants, self._call = wants, call

    def __call__(self, viewer: Any, event: Any) -> None:
        if self._wants(event) is None:
            self._call(viewer, event)
