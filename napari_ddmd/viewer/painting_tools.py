"""What napari draws while somebody paints on a layer, the brush's circle and the polygon: made when it is needed.

It is a large part of what napari makes for a layer of labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Labels


def keep_from_painting(layer: Labels) -> None:
    """Let nobody paint on a layer that is evidence, and make nothing to paint with."""
    layer.editable = False
    _hide_tools(layer)


def make_tools_when_painted(layer: Labels) -> None:
    """Make what a layer is painted with once somebody takes it up; for one that is not in a viewer yet."""
    tools = _hide_tools(layer)

    def show() -> None:
        layer.events.mode.disconnect(show)
        for tool in tools:
            tool.visible = True

    layer.events.mode.connect(show)


def _hide_tools(layer: Labels) -> list[Any]:
    """Hide what lies over a layer, of which napari makes only what is to be seen; return what was to be seen."""
    shown = [tool for tool in layer._overlays.values() if tool.visible]
    for tool in shown:
        tool.visible = False
    return shown
