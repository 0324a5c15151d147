"""Change several layers, and let napari build its scene once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel


@contextmanager
def one_redraw(viewer: ViewerModel, *, removes: bool) -> Iterator[None]:
    """Add, show, hide or remove layers in the block; napari builds the scene at its end, instead of after each.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers they are.
    removes : bool
        Whether a layer goes: then napari has to look through all of memory for what that leaves behind on the
        graphics card. It does so at the end of any batch, which takes a tenth of a second and more; where nothing
        goes, what is there already is kept out of that search.
    """
    spares = not removes and gc.get_freeze_count() == 0
    if spares:
        gc.freeze()
    try:
        with viewer.layers.batched_update():
            yield
    finally:
        if spares:
            gc.unfreeze()
