"""Axial, coronal and sagittal: along which axis the slider walks, and which way is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.viewer.viewer_links import ViewerLinks

_AXES = 3


class Plane(StrEnum):
    """An anatomical plane."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


# The slider's axis first, then rows and columns, of (slice, row, column).
_ORDER = {Plane.AXIAL: (0, 1, 2), Plane.CORONAL: (1, 0, 2), Plane.SAGITTAL: (2, 0, 1)}
# Slices count upwards, rows backwards, columns to the patient's left. With rows downwards and columns rightwards the
# axial plane is in radiological convention; in the others the slices must run upwards, for the head to be upright.
_ORIENTATION = {Plane.AXIAL: ("down", "right"), Plane.CORONAL: ("up", "right"), Plane.SAGITTAL: ("up", "right")}
# Where each axis begins and ends.
_ENDS = (("I", "S"), ("A", "P"), ("R", "L"))


@dataclass(frozen=True)
class Sides:
    """What lies at the edges of the canvas: R, L, A, P, S or I."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True)
class _Look:
    """How a plane was looked at when it was left."""

    orientation: Any
    center: Any
    zoom: float
    is_divided: bool


class Planes:
    """Shows the case in one plane or another, and each as it was left.

    Parameters
    ----------
    viewer : ViewerModel
        The last three of its axes are the case's.
    links : ViewerLinks
        Undoes the connections to the viewer.
    fit : callable
        Shows all of a plane that has not been looked at before; by default napari's own.

    Signals
    -------
    changed
        Another plane is on screen, whoever chose it.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, links: ViewerLinks, fit: Callable[[], None] | None = None) -> None:
        self._viewer = viewer
        self._fit = viewer.reset_view if fit is None else fit
        self._looks: dict[Plane, _Look] = {}
        for event in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            links.connect(event, self._on_dims)

    @staticmethod
    def axis(plane: Plane) -> int:
        """Return the case's axis along which the slider walks: 0 slices, 1 rows, 2 columns."""
        return _ORDER[plane][0]

    @property
    def plane(self) -> Plane | None:
        """The plane that is on screen, None where it is none of the three."""
        order = case_order(self._viewer)
        return next((plane for plane, axes in _ORDER.items() if axes == order), None)

    def show(self, plane: Plane) -> None:
        """Show a plane upright, the patient's left on the right or the face on the left."""
        viewer, before = self._viewer, self.plane
        if viewer.dims.ndim < _AXES or plane is before:
            return
        camera, is_divided = viewer.scene.camera, viewer.canvas.grid.enabled
        if before is not None:
            self._looks[before] = _Look(camera.orientation2d, camera.center, camera.zoom, is_divided)
        look = self._looks.get(plane)
        leading = viewer.dims.ndim - _AXES
        viewer.dims.ndisplay = 2
        viewer.dims.order = (*range(leading), *(leading + axis for axis in _ORDER[plane]))
        # The arrow keys walk along this axis.
        viewer.dims.last_used = leading + _ORDER[plane][0]
        camera.orientation2d = _ORIENTATION[plane] if look is None else look.orientation
        if look is not None and look.is_divided == is_divided:
            camera.center, camera.zoom = look.center, look.zoom
        else:
            self._fit()

    def forget(self) -> None:
        """Forget how the planes were looked at: another case lies elsewhere."""
        self._looks.clear()

    def _on_dims(self, _event: Any) -> None:
        self.changed.emit()


def case_order(viewer: ViewerModel) -> tuple[int, ...] | None:
    """Return the case's axes (0 slice, 1 row, 2 column) on the slider, down and across the canvas.

    None where the canvas shows a volume, or an axis that is not the case's.
    """
    dims = viewer.dims
    if dims.ndim < _AXES or dims.ndisplay != 2:
        return None
    order = tuple(axis - (dims.ndim - _AXES) for axis in dims.order[-_AXES:])
    return order if min(order) >= 0 else None


def shown_sides(viewer: ViewerModel) -> Sides | None:
    """Return what lies at the edges of the canvas as it is now; None where that cannot be said in one letter."""
    order = case_order(viewer)
    if order is None:
        return None
    vertical, horizontal = viewer.scene.camera.orientation2d
    first, last = _ENDS[order[1]]
    top, bottom = (first, last) if str(vertical) == "down" else (last, first)
    first, last = _ENDS[order[2]]
    left, right = (first, last) if str(horizontal) == "right" else (last, first)
    return Sides(left, right, top, bottom)


def sides_of(plane: Plane) -> Sides:
    """Return what lies at the edges of a plane."""
    order, (vertical, _horizontal) = _ORDER[plane], _ORIENTATION[plane]
    first, last = _ENDS[order[1]]
    top, bottom = (first, last) if vertical == "down" else (last, first)
    return Sides(*_ENDS[order[2]], top, bottom)
