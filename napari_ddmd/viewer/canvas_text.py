"""Words on the canvas: the sides of the patient, and a line that comes and goes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from napari.components.overlays import TextOverlay

from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.planes import Sides, shown_sides

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.viewer.viewer_links import ViewerLinks

_PREFIX = "ddmd_"
_PLACES = {
    "left": "middle_left",
    "right": "middle_right",
    "top": "top_center",
    "bottom": "bottom_center",
}
# Images side by side lie alike: they are labelled together, where the names of the lower ones leave room.
_PLACES_DIVIDED = {**_PLACES, "left": "bottom_left", "right": "bottom_right"}
_SIDE_SIZE, _NOTE_SIZE = 12, 13
_GROUND = "black"
_LETTERS = "white"
# Half of the image shows through what the letters stand on; napari would make them grey for that.
_BEHIND = (0.0, 0.0, 0.0, 0.5)


class CanvasText:
    """Labels the sides of what is shown while a case is open, and shows a note.

    Images lie on black meanwhile, in a light theme too.

    Parameters
    ----------
    viewer : ViewerModel
        Whose canvas it is.
    links : ViewerLinks
        Undoes the connections to the viewer.
    """

    def __init__(self, viewer: ViewerModel, links: ViewerLinks) -> None:
        self._viewer = viewer
        self._is_held = self._has_darkened = False
        self.sides = {
            side: TextOverlay(position=place, font_size=_SIDE_SIZE, color=_LETTERS, box_color=_BEHIND)
            for side, place in _PLACES.items()
        }
        self.note = TextOverlay(position="bottom_left", font_size=_NOTE_SIZE)
        for name, overlay in {**self.sides, "note": self.note}.items():
            viewer.canvas.overlays[f"{_PREFIX}{name}"] = overlay
        dims, layers = viewer.dims.events, viewer.layers.events
        for event in (dims.order, dims.ndisplay, viewer.scene.camera.events.orientation):
            links.connect(event, self._show_sides)
        for event in (layers.inserted, layers.removed, viewer.canvas.grid.events.enabled):
            links.connect(event, self._show_sides)
        links.connect(layers.begin_batch, self._hold)
        links.connect(layers.end_batch, self._go_on)
        self._show_sides()

    def say(self, text: str) -> None:
        """Show a note in the corner; an empty one takes it away."""
        if text:
            self.note.text = text
        self.note.visible = bool(text)

    def release(self) -> None:
        """Wipe the canvas."""
        for name in (*self.sides, "note"):
            self._viewer.canvas.overlays.pop(f"{_PREFIX}{name}", None)
        self._darken(False)

    def _darken(self, dark: bool) -> None:
        """Put the images on black, as they are read, whatever the theme; a ground that the user chose stays."""
        canvas = self._viewer.canvas
        if dark and canvas.background_color_override is None:
            canvas.background_color_override, self._has_darkened = _GROUND, True
        elif not dark and self._has_darkened:
            canvas.background_color_override, self._has_darkened = None, False

    def _hold(self, _event: Any = None) -> None:
        self._is_held = True

    def _go_on(self, _event: Any = None) -> None:
        self._is_held = False
        self._show_sides()

    def _show_sides(self, _event: Any = None) -> None:
        if self._is_held:
            # napari lays the canvas out at the end of the batch, and would do it for each letter as well.
            return
        has_case = any(tag_of(layer) is not None for layer in self._viewer.layers)
        self._darken(has_case)
        shown = shown_sides(self._viewer) if has_case else None
        is_divided = self._viewer.canvas.grid.enabled
        places = _PLACES_DIVIDED if is_divided else _PLACES
        for side in fields(Sides):
            overlay = self.sides[side.name]
            if shown is not None:
                overlay.text = getattr(shown, side.name)
            if overlay.position != places[side.name]:
                overlay.position = places[side.name]
            # In a cell of the grid, the image's name needs the room at the top.
            overlay.visible = shown is not None and not (is_divided and side.name == "top")
