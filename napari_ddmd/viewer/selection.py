"""The user's choice of layer, which no layer that the plugin adds may take away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari.components.layerlist import LayerList


@contextmanager
def selection_kept(layers: LayerList) -> Iterator[None]:
    """Add layers without selecting them.

    Selecting what was selected before once more would draw all controls of both layers.
    """
    before = layers._activate_on_insert
    layers._activate_on_insert = False
    try:
        yield
    finally:
        layers._activate_on_insert = before
