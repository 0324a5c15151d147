"""What of a case is on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

# A finding at the very rim is as good as unseen.
_RIM = 0.9


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
