"""Axial, coronal and sagittal: along which axis the slider walks, and which way is up."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Plane(StrEnum):
    """An anatomical plane."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


# The slider's axis first, then rows and columns, of (slice, row, column).
_ORDER = {Plane.AXIAL: (0, 1, 2), Plane.CORONAL: (1, 0, 2), Plane.SAGITTAL: (2, 0, 1)}
# Slices count upwards, rows backwards, columns to the patient's left. With rows downwards and columns rightwards the
# axial plane is in radiological convention; in the others the slices must run upwards, for the head to be upright.
_VERTICAL = {Plane.AXIAL: "down", Plane.CORONAL: "up", Plane.SAGITTAL: "up"}
SIDES = {Plane.AXIAL: ("R", "L", "A", "P"), Plane.CORONAL: ("R", "L", "S", "I"), Plane.SAGITTAL: ("A", "P", "S", "I")}
"""What lies on the left, on the right, at the top and at the bottom of the canvas."""


def show_plane(viewer: ViewerModel, plane: Plane) -> None:
    """Show the case in a plane, upright, the patient's left on the right or the face on the left."""
    ndim = viewer.dims.ndim
    if ndim < 3:
        return
    leading = tuple(range(ndim - 3))
    viewer.dims.ndisplay = 2
    viewer.dims.order = (*leading, *(ndim - 3 + axis for axis in _ORDER[plane]))
    viewer.camera.orientation2d = (_VERTICAL[plane], "right")
    viewer.reset_view()


def shown_plane(viewer: ViewerModel) -> Plane | None:
    """Return the plane that is on screen, None where it is none of the three."""
    ndim = viewer.dims.ndim
    if ndim < 3 or viewer.dims.ndisplay != 2:
        return None
    order = tuple(axis - (ndim - 3) for axis in viewer.dims.order[-3:])
    return next((plane for plane, axes in _ORDER.items() if axes == order), None)
