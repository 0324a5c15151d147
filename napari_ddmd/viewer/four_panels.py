"""Four images side by side: the modalities, each with the lesion's outline, or the maps."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.case_layers import FIRST_SEEN
from napari_ddmd.viewer.layer_tag import Role, grid_arguments, tag_of
from napari_ddmd.viewer.viewer_links import ViewerLinks

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

_PANELS = 4
# Which four to show as maps; where the model lacks one, the next in line takes its place.
_MAPS = (FIRST_SEEN, Role.INTER, Role.INTRA, Role.UNCERTAINTY, Role.PROBABILITY)


class Arrangement(StrEnum):
    """How the canvas is divided."""

    SINGLE = "single"
    MODALITIES = "modalities"
    MAPS = "maps"


class FourPanels:
    """Arrange a case's layers in napari's grid, and put everything back.

    napari deals the visible layers to the grid's cells one after the other, and begins again at the first
    cell after the fourth. So four images and then four outlines of the lesion put one outline on each image.
    A layer stands in one cell only, hence three mirrors of the lesion: they share its array and are redrawn
    with it. Among the maps the lesion is on FLAIR alone: an outline would hide the uncertainty beneath it.

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
        self._lesion: Labels | None = None
        self._mirrors: list[Labels] = []
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
        lesion = self._find_lesion(case)
        self._shown_before = {layer: layer.visible for layer in self._viewer.layers}
        for layer in self._viewer.layers:
            layer.visible = layer in images or layer is lesion
        for layer in images:
            layer.name_overlay.visible = True
        self._named = images
        self._lesion = lesion
        if lesion is not None and arrangement is Arrangement.MODALITIES:
            self._mirror(lesion)
        grid = self._viewer.canvas.grid
        grid.stride, grid.shape, grid.spacing = 1, (2, 2), 3
        grid.enabled = True
        self._viewer.reset_view()

    def _images(self, arrangement: Arrangement, case: Case | None) -> list[Layer]:
        """Return the four images of an arrangement, bottom layer first; empty where there are not four."""
        if case is None or arrangement is Arrangement.SINGLE:
            return []
        roles: Sequence[str] = MODALITIES if arrangement is Arrangement.MODALITIES else _MAPS
        by_role: dict[str, Layer] = {}
        for layer in self._viewer.layers:
            tag = tag_of(layer)
            if tag is not None and tag.case is case:
                by_role.setdefault(tag.role, layer)
        chosen = [by_role[role] for role in roles if role in by_role][:_PANELS]
        return [layer for layer in self._viewer.layers if layer in chosen] if len(chosen) == _PANELS else []

    def _find_lesion(self, case: Case | None) -> Labels | None:
        """Return the topmost lesion layer of the case."""
        for layer in reversed(self._viewer.layers):
            tag = tag_of(layer)
            if isinstance(layer, Labels) and tag and tag.case is case and tag.role == Role.LESION:
                return layer
        return None

    def _restore(self) -> None:
        if self.arrangement is Arrangement.SINGLE:
            return
        self._unmirror()
        self._viewer.canvas.grid.enabled = False
        for layer in self._named:
            layer.name_overlay.visible = False
        for layer, visible in self._shown_before.items():
            if layer in self._viewer.layers:
                layer.visible = visible
        self._shown_before, self._named = {}, []
        self._viewer.reset_view()

    def _mirror(self, lesion: Labels) -> None:
        self._unmirror()
        assert self._case is not None
        active = self._viewer.layers.selection.active
        self._lesion = lesion
        for _ in range(_PANELS - 1):
            mirror = Labels(
                lesion.data,
                name=Role.MIRROR.value,
                colormap=lesion.colormap,
                opacity=lesion.opacity,
                **grid_arguments(self._case, Role.MIRROR),
            )
            mirror.contour = lesion.contour
            mirror.editable = False
            self._mirrors.append(mirror)
            self._viewer.layers.insert(self._viewer.layers.index(lesion), mirror)
        self._viewer.layers.selection.active = active
        for event in (lesion.events.set_data, lesion.events.paint, lesion.events.labels_update):
            event.connect(self._redraw)

    def _unmirror(self) -> None:
        mirrors, self._mirrors = self._mirrors, []
        if mirrors and self._lesion is not None:
            events = self._lesion.events
            for event in (events.set_data, events.paint, events.labels_update):
                event.disconnect(self._redraw)
        self._lesion = None
        for mirror in mirrors:
            if mirror in self._viewer.layers:
                self._viewer.layers.remove(mirror)

    def _redraw(self, _event: Any = None) -> None:
        for mirror in self._mirrors:
            mirror.refresh(extent=False)

    def _on_inserted(self, event: Any) -> None:
        if self.arrangement is Arrangement.SINGLE or event.value in self._mirrors:
            return
        tag = tag_of(event.value)
        if tag is not None and tag.case is self._case and tag.role == Role.LESION:
            # A lesion that was set aside would take the next cell, and push the outlines on.
            if self._lesion is not None:
                self._lesion.visible = False
            if self.arrangement is Arrangement.MODALITIES:
                self._mirror(event.value)
            self._lesion = event.value

    def _on_removed(self, event: Any) -> None:
        if event.value is self._lesion:
            self._unmirror()
