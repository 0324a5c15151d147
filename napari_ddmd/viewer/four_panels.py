"""Four images side by side: the modalities, or what explains the mask, with all overlays on each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.case_layers import FIRST_SEEN
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.mirrors import Mirrors
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

_PANELS = 4
# Which four explain the mask; where the model lacks a map, the next in line takes its place.
_EXPLAIN = (FIRST_SEEN, Role.INTER, Role.INTRA, Role.PROBABILITY, Role.UNCERTAINTY)
_OVERLAYS = (Role.LESION, Role.SAMPLE, Role.AGREEMENT, Role.PROBABILITY, Role.UNCERTAINTY, Role.EXPERT)


class Arrangement(StrEnum):
    """How the canvas is divided."""

    SINGLE = "single"
    MODALITIES = "modalities"
    EXPLAIN = "explain"


class FourPanels:
    """Arrange a case's layers in napari's grid, and put everything back.

    napari deals the visible layers to the grid's cells one after the other, and begins again at the first cell after
    the fourth. A layer stands in one cell only. So every overlay that is visible gets three mirrors, and lies with
    them on each of the four images.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    links : ViewerLinks
        Undoes the connections to the viewer.
    """

    def __init__(self, viewer: ViewerModel, links: ViewerLinks) -> None:
        self._viewer = viewer
        self.arrangement = Arrangement.SINGLE
        self._case: Case | None = None
        self._shown_before: dict[Layer, bool] = {}
        self._named: list[Layer] = []
        self._mirrors: dict[Layer, Mirrors] = {}
        self._watched: dict[Layer, ViewerLinks] = {}
        self._is_dealing = False
        links.connect(viewer.layers.events.inserted, self._on_inserted)
        links.connect(viewer.layers.events.removed, self._on_removed)

    def available(self, case: Case | None) -> list[Arrangement]:
        """Return the arrangements that the case has enough layers for."""
        return [kind for kind in Arrangement if kind is Arrangement.SINGLE or self._images(kind, case)]

    def show(self, arrangement: Arrangement, case: Case | None) -> None:
        """Arrange the layers of a case; ``SINGLE`` puts back what was visible before."""
        self._restore()
        self.arrangement, self._case = arrangement, case
        images = self._images(arrangement, case)
        if not images:
            self.arrangement = Arrangement.SINGLE
            return
        overlays = [layer for layer in self._overlays() if layer not in images]
        lesion = next((layer for layer in reversed(overlays) if _role(layer) == Role.LESION), None)
        self._shown_before = {layer: layer.visible for layer in self._viewer.layers}
        for layer in self._viewer.layers:
            is_wanted_overlay = layer in overlays and layer.visible and _role(layer) != Role.LESION
            layer.visible = layer in images or layer is lesion or is_wanted_overlay
        for layer in images:
            layer.name_overlay.visible = True
        self._named = images
        for layer in overlays:
            self._watch(layer)
        grid = self._viewer.canvas.grid
        grid.stride, grid.shape, grid.spacing = 1, (2, 2), 3
        grid.enabled = True
        self._viewer.reset_view()

    def _images(self, arrangement: Arrangement, case: Case | None) -> list[Layer]:
        """Return the four images of an arrangement, bottom layer first; empty where there are not four."""
        if case is None or arrangement is Arrangement.SINGLE:
            return []
        roles: Sequence[str] = MODALITIES if arrangement is Arrangement.MODALITIES else _EXPLAIN
        by_role: dict[str, Layer] = {}
        for layer in self._viewer.layers:
            tag = tag_of(layer)
            if tag is not None and tag.case is case:
                by_role.setdefault(tag.role, layer)
        chosen = [by_role[role] for role in roles if role in by_role][:_PANELS]
        return [layer for layer in self._viewer.layers if layer in chosen] if len(chosen) == _PANELS else []

    def _overlays(self) -> list[Layer]:
        return [layer for layer in self._viewer.layers if self._is_overlay(layer)]

    def _is_overlay(self, layer: Layer) -> bool:
        tag = tag_of(layer)
        return tag is not None and tag.case is self._case and tag.role in _OVERLAYS

    def _restore(self) -> None:
        if self.arrangement is Arrangement.SINGLE:
            return
        for layer in list(self._watched):
            self._forget(layer)
        self._viewer.canvas.grid.enabled = False
        for layer in self._named:
            layer.name_overlay.visible = False
        for layer, visible in self._shown_before.items():
            # What was switched on or off meanwhile stays so: only the images were arranged.
            if layer in self._viewer.layers and not self._is_overlay(layer):
                layer.visible = visible
        for layer in self._named:
            if layer in self._viewer.layers and layer in self._shown_before:
                layer.visible = self._shown_before[layer]
        self._shown_before, self._named = {}, []
        self._viewer.reset_view()

    def _watch(self, layer: Layer) -> None:
        """Mirror an overlay while it is visible."""
        links = self._watched[layer] = ViewerLinks()
        links.connect(layer.events.visible, self._on_visible)
        self._deal(layer)

    def _forget(self, layer: Layer) -> None:
        self._watched.pop(layer).disconnect()
        mirrors = self._mirrors.pop(layer, None)
        if mirrors is not None:
            mirrors.remove()

    def _deal(self, layer: Layer) -> None:
        """Make the mirrors of an overlay that is visible, take those away of one that is not."""
        self._is_dealing = True
        try:
            if layer.visible and layer not in self._mirrors:
                assert self._case is not None
                self._mirrors[layer] = Mirrors(self._viewer, self._case, layer, _PANELS - 1)
            elif not layer.visible and layer in self._mirrors:
                self._mirrors.pop(layer).remove()
        finally:
            self._is_dealing = False

    def _on_visible(self, event: Any) -> None:
        self._deal(event.source)

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        if self.arrangement is Arrangement.SINGLE or self._is_dealing or not self._is_overlay(layer):
            return
        if isinstance(layer, Labels) and _role(layer) == Role.LESION:
            # A lesion that is out of hand now would be taken for the new one.
            for other in list(self._watched):
                if _role(other) == Role.LESION:
                    other.visible = False
        self._watch(layer)

    def _on_removed(self, event: Any) -> None:
        if event.value in self._watched:
            self._forget(event.value)


def _role(layer: Layer) -> str:
    tag = tag_of(layer)
    return "" if tag is None else tag.role
