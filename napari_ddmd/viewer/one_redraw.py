"""Change several layers, and let napari build its scene once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from napari_ddmd.viewer.collector import old_objects_spared

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
    with nullcontext() if removes else old_objects_spared(), viewer.layers.batched_update():
        yield
