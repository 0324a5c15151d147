"""Outlines that are hidden while something else lies over them, whose colours they would mix with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from weakref import WeakSet

from napari.layers import Labels

from napari_ddmd.viewer.viewer_links import ViewerLinks

# In every other mode a click paints, and napari leaves that mode when the layer is hidden.
_WITHOUT_PAINT = ("pan_zoom", "transform", "pick")


class OutlinesAway:
    """Hides layers for a while, and shows them again.

    A layer that is painted on, or that somebody shows meanwhile, is left alone until all are shown again.
    """

    def __init__(self) -> None:
        self._links: dict[Labels, ViewerLinks] = {}
        self._met: WeakSet[Labels] = WeakSet()

    def __contains__(self, layer: object) -> bool:
        """Whether a layer is hidden only for a while."""
        return layer in self._links

    def hide(self, layers: Iterable[Labels]) -> None:
        """Hide the layers that are visible, but for those that were met before and those that are painted on."""
        for layer in layers:
            is_new = layer not in self._met
            self._met.add(layer)
            if is_new and layer.visible and layer.mode in _WITHOUT_PAINT:
                layer.visible = False
                links = self._links[layer] = ViewerLinks()
                links.connect(layer.events.visible, partial(self._let_go, layer))

    def show_again(self) -> None:
        """Show what is hidden, and begin anew."""
        for layer in list(self._links):
            self._let_go(layer)
            layer.visible = True
        self._met.clear()

    def _let_go(self, layer: Labels, _event: Any = None) -> None:
        links = self._links.pop(layer, None)
        if links is not None:
            links.disconnect()
