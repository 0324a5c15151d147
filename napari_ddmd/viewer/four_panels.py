"""Up to four images side by side: the modalities, or what explains the mask, with all overlays on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from psygnal import Signal

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.case_layers import FIRST_SEEN
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.mirrors import Mirrors, can_be_mirrored
from napari_ddmd.viewer.one_redraw import one_redraw
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

    Turn = Callable[[dict[Layer, bool]], dict[Layer, bool]]

# How many images there are room for, and the rows and columns of each number of them.
_SHAPES = {2: (1, 2), 3: (1, 3), 4: (2, 2)}
_MOST = max(_SHAPES)
# Which four explain the mask; where the model lacks a map, the next in line takes its place.
_EXPLAIN = (FIRST_SEEN, Role.INTER, Role.INTRA, Role.PROBABILITY, Role.UNCERTAINTY)
_SCALED = _EXPLAIN[1:]
"""What is read by its colours: beside each, a scale tells what they stand for."""
_DIVIDED: dict[str, Any] = {"stride": 1, "spacing": 3, "enabled": True}
_NAME_SIZE = 12
_NAME_COLOR = "white"
# Width and height in pixels of the scale of colours on a map.
_SCALE_SIZE, _SCALE_LETTERS = (12, 120), 9
# Half of the image shows through what a name stands on; napari would make it grey for that.
_NAME_GROUND = (0.0, 0.0, 0.0, 0.5)


class Arrangement(StrEnum):
    """How the canvas is divided."""

    SINGLE = "single"
    MODALITIES = "modalities"
    EXPLAIN = "explain"


class FourPanels:
    """Arrange a case's layers in napari's grid, and put everything back.

    napari deals the visible layers to the grid's cells one after the other, and begins again at the first cell after
    the last. A layer stands in one cell only. So whatever is visible beside the four images gets three mirrors, and
    lies with them on each image. A case that lacks an image has three cells in a row, and two mirrors.

    In napari's list, an image that is hidden or removed ends the arrangement, the eye of a mirror is that of its layer,
    a mirror that is removed comes back, and another order of the layers has them arranged again.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    links : ViewerLinks
        Undoes the connections to the viewer.
    fit : callable
        Shows all of each image; by default napari's own.

    Signals
    -------
    changed
        Another arrangement is on screen, whoever chose it.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, links: ViewerLinks, fit: Callable[[], None] | None = None) -> None:
        self._viewer = viewer
        self._fit = viewer.reset_view if fit is None else fit
        self.arrangement = Arrangement.SINGLE
        self._case: Case | None = None
        self._images: list[Layer] = []
        self._shown_before: dict[Layer, bool] = {}
        self._shown_since: dict[Layer, bool] = {}
        self._grid_before: dict[str, Any] = {}
        self._mirrors: dict[Layer, Mirrors] = {}
        self._watched: dict[Layer, ViewerLinks] = {}
        self._image_links = ViewerLinks()
        self._scales: list[Any] = []
        self._is_busy = False
        links.connect(viewer.layers.events.inserted, self._on_inserted)
        links.connect(viewer.layers.events.removed, self._on_removed)
        links.connect(viewer.layers.events.reordered, self._on_reordered)
        links.connect(viewer.canvas.grid.events.enabled, self._on_grid)

    def available(self, case: Case | None) -> list[Arrangement]:
        """Return the arrangements that the case has enough layers for."""
        return [kind for kind in Arrangement if kind is Arrangement.SINGLE or self._find_images(kind, case)]

    def show(
        self, arrangement: Arrangement, case: Case | None, turn: Turn | None = None, *, anew: bool = False
    ) -> None:
        """Arrange the layers of a case; ``SINGLE`` puts back what was visible before.

        Parameters
        ----------
        arrangement : Arrangement
            How the canvas is to be divided.
        case : Case or None
            Whose layers they are.
        turn : callable, optional
            Given which layers are visible without an arrangement, returns which are to be from now on.
        anew : bool
            Make all copies of overlays again, wherever in the list they are now.
        """
        was_divided, was_busy = self.arrangement is not Arrangement.SINGLE, self._is_busy
        images = self._find_images(arrangement, case)
        single = self.shown_in_single()
        single = single if turn is None else turn(single)
        self._show_names(False)
        self.arrangement = arrangement if images else Arrangement.SINGLE
        counts = len(images), len(self._images)
        # A case that is closed is not kept.
        self._case, self._images = case if images else None, images
        is_other = anew or counts[0] != counts[1]
        gone = [layer for layer in self._watched if is_other or self._is_split(layer) or not self._is_overlay(layer)]
        self._is_busy = True
        try:
            with one_redraw(self._viewer, removes=any(layer in self._mirrors for layer in gone)):
                for layer in gone:
                    self._forget(layer)
                if was_divided:
                    # In the grid napari throws the name of a layer away while it tells the name that the layer hides.
                    self._viewer.canvas.grid.enabled = False
                self._show_layers(single)
                if images or was_divided:
                    self._divide(bool(images), was_divided)
            self._show_names(True)
            self._name_mirrors()
            self._watch_images()
        finally:
            self._is_busy = was_busy
        if images or was_divided:
            self._fit()
        self.changed.emit()

    def image_in(self, cell: tuple[int, int]) -> Layer | None:
        """Return the image of a cell ``(row, column)``; None while the canvas is not divided, and of an empty one."""
        if not self._images:
            return None
        index, cells = _SHAPES[len(self._images)][1] * cell[0] + cell[1], self._cells()
        return next((image for image in self._images if cells.get(image) == index), None)

    def _find_images(self, arrangement: Arrangement, case: Case | None) -> list[Layer]:
        """Return the images of an arrangement, bottom layer first; empty where there are not even two."""
        if case is None or arrangement is Arrangement.SINGLE:
            return []
        roles: Sequence[str] = MODALITIES if arrangement is Arrangement.MODALITIES else _EXPLAIN
        by_role: dict[str, Layer] = {}
        for layer in self._viewer.layers:
            tag = tag_of(layer)
            if tag is not None and tag.case is case:
                by_role.setdefault(tag.role, layer)
        chosen = [by_role[role] for role in roles if role in by_role][:_MOST]
        return [layer for layer in self._viewer.layers if layer in chosen] if len(chosen) in _SHAPES else []

    def shown_in_single(self) -> dict[Layer, bool]:
        """Return which layers are visible without an arrangement.

        What the user switched on or off meanwhile stays so, but for the images: they were arranged, not chosen.
        """
        shown = {layer: layer.visible for layer in self._viewer.layers if not _is_mirror(layer)}
        for layer, visible in self._shown_before.items():
            if layer in shown and (layer in self._images or layer.visible == self._shown_since[layer]):
                shown[layer] = visible
        return shown

    def _show_layers(self, single: dict[Layer, bool]) -> None:
        images = self._images
        shown = {
            layer: (layer in images or (visible and self._is_overlay(layer))) if images else visible
            for layer, visible in single.items()
        }
        for layer, visible in shown.items():
            # napari cuts the slice out anew whenever it is told, whether that changes anything or not.
            if layer.visible != visible:
                layer.visible = visible
        self._shown_before, self._shown_since = (single, shown) if images else ({}, {})
        for layer in single if images else ():
            if self._is_overlay(layer):
                self._watch(layer)

    def _show_names(self, shown: bool) -> None:
        for layer in self._images:
            name = layer.name_overlay
            name.font_size, name.color, name.box_color = _NAME_SIZE, _NAME_COLOR, _NAME_GROUND
            name.visible = shown
            tag = tag_of(layer)
            if shown and tag is not None and tag.role in _SCALED and not layer.colorbar.visible:
                scale = layer.colorbar
                scale.size, scale.font_size, scale.color = _SCALE_SIZE, _SCALE_LETTERS, _NAME_COLOR
                scale.visible = True
                self._scales.append(scale)
        if not shown:
            for scale in self._scales:  # not one that the user has put there
                scale.visible = False
            self._scales.clear()

    def _divide(self, divided: bool, was_divided: bool) -> None:
        grid = self._viewer.canvas.grid
        look = {"shape": _SHAPES[len(self._images)], **_DIVIDED} if divided else self._grid_before
        if divided and not was_divided:
            self._grid_before = {name: getattr(grid, name) for name in look}
        for name, value in look.items():
            setattr(grid, name, value)

    def _is_overlay(self, layer: Layer) -> bool:
        """Tell whether a layer lies on each of the images while it is visible: the case's own, and nobody's.

        Of the case's own not its modalities: one that was seen at full size would cover the maps.
        """
        tag = tag_of(layer)
        if tag is not None and (tag.case is not self._case or tag.role in (Role.MIRROR, *MODALITIES)):
            return False
        return layer not in self._images and can_be_mirrored(layer)

    def _is_split(self, layer: Layer) -> bool:
        """Tell whether an image has come to lie between an overlay and its mirrors, which would change their cells."""
        if layer not in self._mirrors:
            return False
        order = list(self._viewer.layers)
        places = [order.index(one) for one in (*self._mirrors[layer].layers, layer) if one in order]
        return any(image in order[min(places) : max(places)] for image in self._images)

    def _cells(self) -> dict[Layer, int]:
        """Number the cells that the visible layers lie in: napari deals what is visible to the cells in turn."""
        shown = [layer for layer in self._viewer.layers if layer.visible]
        return {layer: place % len(self._images) for place, layer in enumerate(shown)}

    def _is_in_order(self) -> bool:
        """Tell whether each image is in its cell, and each visible overlay on every image."""
        cells, every = self._cells(), list(range(len(self._images)))
        groups = [[*mirrors.layers, layer] for layer, mirrors in self._mirrors.items() if layer.visible]
        dealt = [sorted(cells.get(layer, -1) for layer in group) for group in groups]
        return [cells.get(image) for image in self._images] == every and all(group == every for group in dealt)

    def _watch_images(self) -> None:
        self._image_links.disconnect()
        for image in self._images:
            self._image_links.connect(image.events.visible, self._on_image_visible)
            self._image_links.connect(image.events.name, self._on_image_name)

    def _watch(self, layer: Layer) -> None:
        """Mirror an overlay while it is visible."""
        if layer not in self._watched:
            links = self._watched[layer] = ViewerLinks()
            links.connect(layer.events.visible, self._on_visible)
        self._deal(layer)

    def _forget(self, layer: Layer) -> None:
        self._watched.pop(layer).disconnect()
        mirrors = self._mirrors.pop(layer, None)
        if mirrors is not None:
            mirrors.remove()

    def _deal(self, layer: Layer) -> None:
        """Show the mirrors of an overlay that is visible, hide those of one that is not."""
        if layer in self._mirrors:
            self._mirrors[layer].set_visible(layer.visible)
        elif layer.visible:
            assert self._case is not None
            self._mirrors[layer] = Mirrors(self._viewer, self._case, layer, len(self._images) - 1)

    def _name_mirrors(self) -> None:
        """Tell of each mirror on which image it lies."""
        cells = self._cells() if self._images else {}
        names = {cells[image]: image.name for image in self._images if image in cells}
        for mirrors in self._mirrors.values():
            mirrors.name_after([names.get(cells.get(layer, -1), "") for layer in mirrors.layers])

    def _on_visible(self, event: Any) -> None:
        self._change(self._deal, event.source)

    def _on_image_visible(self, event: Any) -> None:
        # The cell of an image that is hidden would go to the next one.
        if not event.source.visible and not self._is_busy:
            self.show(Arrangement.SINGLE, None)

    def _on_image_name(self, _event: Any) -> None:
        self._name_mirrors()

    def _on_reordered(self, _event: Any) -> None:
        if self._images and not self._is_busy and not self._is_in_order():
            self.show(self.arrangement, self._case, anew=True)

    def _on_inserted(self, event: Any) -> None:
        if self.arrangement is Arrangement.SINGLE or self._is_busy:
            return
        if self._find_images(self.arrangement, self._case) != self._images:
            self.show(self.arrangement, self._case)  # one that was lacking has come
        elif self._is_overlay(event.value):
            self._change(self._watch, event.value)

    def _on_removed(self, event: Any) -> None:
        if self._is_busy:
            return
        if event.value in self._images:
            self.show(Arrangement.SINGLE, None)
        elif event.value in self._watched:
            self._change(self._forget, event.value, removes=event.value in self._mirrors)
        else:
            mirrors = next((mirrors for mirrors in self._mirrors.values() if event.value in mirrors.layers), None)
            if mirrors is not None:
                self._change(mirrors.replace, event.value)

    def _on_grid(self, event: Any) -> None:
        # napari's own button divides the canvas, too.
        if not event.value and self.arrangement is not Arrangement.SINGLE and not self._is_busy:
            self.show(Arrangement.SINGLE, None)

    def _change(self, act: Callable[[Layer], None], layer: Layer, *, removes: bool = False) -> None:
        if self._is_busy:
            return
        self._is_busy = True
        try:
            with one_redraw(self._viewer, removes=removes):
                act(layer)
            self._name_mirrors()
        finally:
            self._is_busy = False


def _is_mirror(layer: Layer) -> bool:
    tag = tag_of(layer)
    return tag is not None and tag.role == Role.MIRROR
