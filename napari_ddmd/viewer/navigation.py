"""Where the viewer stands in a case, and how to go elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

# The axial grid's three axes are the last of the viewer's, whatever stands before them (time, channel).
_SLICE_AXIS = -3


def real_viewer(viewer: Any) -> ViewerModel:
    """Return the viewer behind the proxy that napari hands to plugins.

    The proxy wraps every layer anew on each access, so that layers could not be told apart by identity.
    """
    return getattr(viewer, "__wrapped__", viewer)


def current_slice(viewer: ViewerModel, case: Case) -> int:
    """Return the axial slice of the case that the viewer stands at."""
    if viewer.dims.ndim < -_SLICE_AXIS:
        return 0
    position = viewer.dims.point[_SLICE_AXIS] - case.grid.translate[0]
    index = round(float(position) / case.spacing[0])
    return int(np.clip(index, 0, case.grid.shape[0] - 1))


def go_to_slice(viewer: ViewerModel, case: Case, index: int) -> None:
    """Move the viewer's slice slider to an axial slice of the case; nothing else moves."""
    if viewer.dims.ndim < -_SLICE_AXIS:
        return
    position = case.grid.translate[0] + index * case.spacing[0]
    viewer.dims.set_point(viewer.dims.ndim + _SLICE_AXIS, position)


def go_to_voxel(viewer: ViewerModel, case: Case, voxel: tuple[float, float, float]) -> None:
    """Move all sliders to a voxel ``(s, h, w)`` of the case, so that every plane shows it."""
    first = viewer.dims.ndim + _SLICE_AXIS
    if first < 0:
        return
    for axis, (place, start, spacing) in enumerate(zip(voxel, case.grid.translate, case.spacing, strict=True)):
        viewer.dims.set_point(first + axis, start + round(place) * spacing)


def shows_slice(viewer: ViewerModel, case: Case, index: int) -> bool:
    """Tell whether an axial slice contributes to what is on the canvas now."""
    slice_axis = viewer.dims.ndim + _SLICE_AXIS
    return slice_axis in viewer.dims.displayed or current_slice(viewer, case) == index
