"""Where the viewer stands in a case, and how to go elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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


def go_to_voxel(viewer: ViewerModel, case: Case, voxel: Sequence[float]) -> None:
    """Move all three sliders to a voxel ``(s, h, w)`` of the case, so that every plane shows it."""
    first = viewer.dims.ndim + _SLICE_AXIS
    if first < 0:
        return
    steps = np.clip(np.round(np.asarray(voxel, float)), 0, np.asarray(case.grid.shape) - 1)
    point = np.asarray(case.grid.translate) + steps * np.asarray(case.spacing)
    viewer.dims.set_point(range(first, first + 3), [float(place) for place in point])


def slider_axis(viewer: ViewerModel) -> int:
    """Return the case's axis that the slider walks along: 0 slices, 1 rows, 2 columns; 0 in a volume."""
    hidden = [axis - (viewer.dims.ndim + _SLICE_AXIS) for axis in viewer.dims.not_displayed]
    return next((axis for axis in hidden if axis >= 0), 0)


def current_voxel(viewer: ViewerModel, case: Case) -> tuple[int, int, int]:
    """Return the voxel ``(s, h, w)`` in which the three planes meet."""
    if viewer.dims.ndim < -_SLICE_AXIS:
        return (0, 0, 0)
    point = np.asarray(viewer.dims.point[_SLICE_AXIS:]) - case.grid.translate
    s, h, w = np.clip(np.round(point / np.asarray(case.spacing)), 0, np.asarray(case.grid.shape) - 1).astype(int)
    return int(s), int(h), int(w)


def step_to_finding(viewer: ViewerModel, case: Case, mask: NDArray[Any], way: int) -> bool:
    """Go to the next slice along the slider on which a mask ``(S, H, W)`` has anything; with −1 to the one before."""
    axis, here = slider_axis(viewer), list(current_voxel(viewer, case))
    found = np.flatnonzero((mask > 0).any(axis=tuple(other for other in range(3) if other != axis)))
    beyond = found[found > here[axis]] if way > 0 else found[found < here[axis]][::-1]
    if not len(beyond):
        return False
    position = case.grid.translate[axis] + int(beyond[0]) * case.spacing[axis]
    viewer.dims.set_point(viewer.dims.ndim + _SLICE_AXIS + axis, float(position))
    return True


def fullest_slice(mask: NDArray[Any], axis: int, index: int | None = None) -> int | None:
    """Tell on which slice across an axis most of a mask ``(S, H, W)`` lies.

    Parameters
    ----------
    mask
        Not 0 where the lesion is.
    axis
        0 slices, 1 rows, 2 columns.
    index
        Look at this axial slice alone.

    Returns
    -------
    int or None
        None where there is nothing.
    """
    part = mask > 0 if index is None else mask[index : index + 1] > 0
    counts = part.sum(axis=tuple(other for other in range(3) if other != axis))
    return int(counts.argmax()) if counts.any() else None


def shows_slice(viewer: ViewerModel, case: Case, index: int) -> bool:
    """Tell whether an axial slice contributes to what is on the canvas now."""
    slice_axis = viewer.dims.ndim + _SLICE_AXIS
    return slice_axis in viewer.dims.displayed or current_slice(viewer, case) == index
