"""Where a viewer stands: kept in a session, and given back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from napari_ddmd.case import Case
from napari_ddmd.viewer.session.fields import three, three_numbers
from napari_ddmd.viewer.session.stored_window import StoredView

if TYPE_CHECKING:
    from napari.components import ViewerModel


def view_of(viewer: ViewerModel, case: Case) -> StoredView:
    """Take where a viewer stands; the last of its axes are the case's."""
    dims, camera = viewer.dims, viewer.scene.camera
    first = dims.ndim - len(case.grid.shape)
    return StoredView(
        point=three_numbers(dims.point[first:]),
        order=three(axis - first for axis in dims.order if axis >= first),
        ndisplay=dims.ndisplay,
        center=three_numbers(camera.center),
        zoom=float(camera.zoom),
        angles=three_numbers(camera.angles),
        orientation=three(str(way.value) for way in camera.orientation),
    )


def give_view(viewer: ViewerModel, view: StoredView) -> None:
    """Let the viewer stand where it stood."""
    first = viewer.dims.ndim - len(view.point)
    viewer.dims.ndisplay = view.ndisplay
    viewer.dims.order = (*range(first), *(first + axis for axis in view.order))
    viewer.dims.set_point(range(first, viewer.dims.ndim), view.point)
    camera = viewer.scene.camera
    with suppress(ValueError):  # words of another napari
        camera.orientation = view.orientation
    camera.angles, camera.center, camera.zoom = view.angles, view.center, view.zoom
