"""What of a case is on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_ddmd.lesions import bounding_box

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case
    from napari_ddmd.viewer.viewer_links import ViewerLinks

# A finding at the very rim is as good as unseen.
_RIM = 0.9
# Letters and names stand at the edges.
_FILLED = 0.86


class Sight:
    """Shows the brain as large as the canvas allows, and goes on to as the window grows until the camera is moved.

    Parameters
    ----------
    viewer : ViewerModel
        The last three of its axes are the case's.
    links : ViewerLinks
        Undoes the connections to the viewer.
    """

    def __init__(self, viewer: ViewerModel, links: ViewerLinks) -> None:
        self._viewer = viewer
        self._fitted: tuple[Any, ...] | None = None
        self._ends: list[tuple[float, float]] | None = None
        links.connect(viewer.canvas.events.size, self._on_size)

    def fit(self, case: Case | None) -> None:
        """Show all of the brain, or without a case all there is."""
        self._ends = None if case is None else _brain_ends(case)
        self._fit()

    def _fit(self) -> None:
        viewer = self._viewer
        viewer.reset_view()
        first = viewer.dims.ndim - 3
        shown = [axis - first for axis in viewer.dims.displayed]
        if self._ends is not None and len(shown) == 2 and min(shown) >= 0:
            ends, camera = [self._ends[axis] for axis in shown], viewer.scene.camera
            room = viewer.canvas.viewbox_size(viewer.layers)
            camera.center = (0.0, *((low + high) / 2 for low, high in ends))
            camera.zoom = _FILLED * min(length / (high - low) for length, (low, high) in zip(room, ends, strict=True))
        self._fitted = self._look()

    def _look(self) -> tuple[Any, ...]:
        viewer = self._viewer
        return (viewer.scene.camera.center, viewer.scene.camera.zoom, viewer.dims.order, viewer.dims.ndisplay)

    def _on_size(self, _event: Any) -> None:
        if self._fitted == self._look():
            self._fit()


def _brain_ends(case: Case) -> list[tuple[float, float]] | None:
    """Where the brain begins and ends along each axis, in world coordinates; None where there is none."""
    if not case.brain_slices:
        return None
    return [
        (start + (edge.start - 0.5) * size, start + (edge.stop - 0.5) * size)
        for start, edge, size in zip(case.grid.translate, bounding_box(case.brain), case.spacing, strict=True)
    ]


def bring_into_sight(viewer: ViewerModel, case: Case, voxel: tuple[float, float, float]) -> bool:
    """Centre the camera on a voxel ``(s, h, w)`` that is out of sight; the zoom stays. Tell whether it moved."""
    first = viewer.dims.ndim - 3
    if first < 0 or viewer.dims.ndisplay != 2:
        return False
    world = [start + place * size for start, place, size in zip(case.grid.translate, voxel, case.spacing, strict=True)]
    shown = [axis - first for axis in viewer.dims.displayed]
    if min(shown) < 0:
        return False
    target = [world[axis] for axis in shown]
    camera = viewer.scene.camera
    center, zoom = camera.center[-2:], camera.zoom
    halves = [_RIM * length / zoom / 2 for length in viewer.canvas.viewbox_size(viewer.layers)]
    if all(abs(at - middle) <= half for at, middle, half in zip(target, center, halves, strict=True)):
        return False
    camera.center = (0.0, *target)
    return True
