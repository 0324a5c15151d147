"""The brush's circle and the polygon: made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels

from napari_ddmd.viewer.painting_tools import keep_from_painting, make_tools_when_painted


@pytest.fixture
def layer() -> Labels:
    return Labels(np.zeros((3, 8, 8), np.uint8))


def _drawn(viewer: Any, layer: Labels) -> int:
    """Number of tools that napari has made for a layer."""
    return len(viewer.window._qt_viewer.canvas._layer_overlay_to_visual[layer])


def test_nothing_is_made_for_evidence(make_napari_viewer: Callable[..., Any], layer: Labels) -> None:
    keep_from_painting(layer)
    viewer = make_napari_viewer()
    viewer.add_layer(layer)
    assert not layer.editable
    assert _drawn(viewer, layer) == 0


@pytest.mark.parametrize("mode", ["paint", "polygon", "erase", "fill"])
def test_tools_are_made_when_one_is_taken_up(make_napari_viewer: Callable[..., Any], layer: Labels, mode: str) -> None:
    plain = Labels(layer.data)
    make_tools_when_painted(layer)
    viewer = make_napari_viewer()
    viewer.add_layer(plain)
    viewer.add_layer(layer)
    assert _drawn(viewer, layer) == 0
    layer.mode = mode
    assert _drawn(viewer, layer) == _drawn(viewer, plain) > 0
    layer.mode = "pan_zoom"
    layer.mode = mode
    assert _drawn(viewer, layer) == _drawn(viewer, plain)


def test_what_was_hidden_before_stays_hidden(layer: Labels) -> None:
    layer.name_overlay.visible = False
    make_tools_when_painted(layer)
    layer.mode = "paint"
    assert not layer.name_overlay.visible
