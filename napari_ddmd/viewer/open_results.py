"""The results of the cases that are open in a viewer: they outlive the panel, and go with the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case
    from napari_ddmd.viewer.result_layers import ResultLayers

_PLACE = "_napari_ddmd_results"


def results_in(viewer: ViewerModel) -> dict[Case, ResultLayers]:
    """Return the results of a viewer's cases, to be filled in place; the same to whoever asks.

    They hold the viewer, so that a table of viewers, even a weak one, would never let go of it. The viewer's own list
    of layers has them instead.
    """
    results: dict[Case, ResultLayers] = vars(viewer.layers).setdefault(_PLACE, {})
    return results
