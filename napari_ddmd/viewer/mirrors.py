"""Copies of an overlay, so that it lies over each of several images side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer

from napari_ddmd.viewer.layer_tag import METADATA_KEY, LayerTag, Role
from napari_ddmd.viewer.painting_tools import keep_from_painting
from napari_ddmd.viewer.selection import selection_kept
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

_FOLLOWED = {
    Image: ("colormap", "opacity", "contrast_limits", "gamma", "blending", "interpolation2d", "translate"),
    Labels: ("colormap", "opacity", "contour", "blending", "translate"),
}
_REDRAWN = {Image: ("set_data",), Labels: ("set_data", "paint", "labels_update")}


def can_be_mirrored(layer: Layer) -> bool:
    """Tell whether there can be copies of a layer that share its array."""
    return isinstance(layer, Image | Labels) and not layer.multiscale and not getattr(layer, "rgb", False)


class Mirrors:
    """Layers that share the array and the looks of another one, right below it in the list.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    case : Case
        The patient.
    source : Image or Labels
        The layer that is mirrored.
    count : int
        Number of copies.
    """

    def __init__(self, viewer: ViewerModel, case: Case, source: Layer, count: int) -> None:
        self._viewer, self._case, self.source = viewer, case, source
        self._places: Sequence[str] = [""] * count
        self._links = ViewerLinks()
        kind = Labels if isinstance(source, Labels) else Image
        self._kind = kind
        self._sliced_at = self._place
        self.layers = [self._copy(case) for _ in range(count)]
        for copy in self.layers:
            self._insert(copy)
        for looks in _FOLLOWED[kind]:
            self._links.connect(getattr(source.events, looks), partial(self._follow, looks))
        self._links.connect(source.events.name, self._rename)
        for name in _REDRAWN[kind]:
            self._links.connect(getattr(source.events, name), self._redraw)
        for copy in self.layers:
            self._links.connect(copy.events.visible, self._on_visible)

    def replace(self, lost: Layer) -> None:
        """Make a copy again that somebody has removed."""
        copy = self._copy(self._case)
        self._links.connect(copy.events.visible, self._on_visible)
        # In the order of the list: each takes the name that the one before has left.
        self.layers = [*(layer for layer in self.layers if layer is not lost), copy]
        self._insert(copy)

    def remove(self) -> None:
        """Take the copies away."""
        self._links.disconnect()
        for layer in self.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def set_visible(self, visible: bool) -> None:
        """Show or hide the copies; what is hidden costs nothing at a change of slice."""
        for layer in self.layers:
            if layer.visible != visible:
                layer.visible = visible

    @property
    def _place(self) -> tuple[Any, ...]:
        dims = self._viewer.dims
        return dims.point, dims.order, dims.ndisplay

    def name_after(self, places: Sequence[str]) -> None:
        """Give the copies the names of what they lie on; one that lies on nothing is a copy."""
        self._places = places
        self._rename()

    def _name_on(self, place: str) -> str:
        return f"{self.source.name} on {place}" if place else f"{self.source.name} ({Role.MIRROR})"

    def _copy(self, case: Case) -> Layer:
        source = self.source
        placed = {name: getattr(source, name) for name in ("scale", "translate", "units", "axis_labels")}
        tag = {METADATA_KEY: LayerTag(case, Role.MIRROR)}
        copy = self._kind(source.data, name=self._name_on(""), metadata=tag, visible=False, **placed)
        if isinstance(copy, Labels):
            keep_from_painting(copy)
        # Thumbnails of the copies would cost more at each slice than the copies themselves.
        copy._update_thumbnail = _nothing
        for looks in _FOLLOWED[self._kind]:
            setattr(copy, looks, getattr(source, looks))
        return copy

    def _insert(self, copy: Layer) -> None:
        layers = self._viewer.layers
        with selection_kept(layers):
            layers.insert(layers.index(self.source), copy)
        # Not before: napari would cut out a slice for each change of its looks.
        copy.visible = self.source.visible

    def _on_visible(self, event: Any) -> None:
        """Let the eye of a copy in napari's list be that of its layer: one copy alone would change all cells."""
        if event.source.visible != self.source.visible:
            self.source.visible = event.source.visible

    def _follow(self, looks: str, _event: Any = None) -> None:
        for layer in self.layers:
            setattr(layer, looks, getattr(self.source, looks))

    def _rename(self, _event: Any = None) -> None:
        for layer, place in zip(self.layers, self._places, strict=True):
            if layer.name != self._name_on(place):
                layer.name = self._name_on(place)

    def _redraw(self, event: Any = None) -> None:
        is_other_place = self._sliced_at != self._place
        self._sliced_at = self._place
        for layer in self.layers:
            if layer.data is not self.source.data:
                layer.data = self.source.data
                if self._kind is Labels:
                    layer.editable = False
            elif event is None or event.type != "set_data" or not is_other_place:
                # Another slice was gone to otherwise: napari has cut it out of the copies, too.
                layer.refresh(extent=False, thumbnail=False)


def _nothing() -> None:
    pass
