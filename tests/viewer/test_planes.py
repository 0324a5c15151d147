from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.viewer.navigation import current_voxel, go_to_voxel, slider_axis
from napari_ddmd.viewer.planes import Plane, Planes, Sides, shown_sides, sides_of
from napari_ddmd.viewer.viewer_links import ViewerLinks


@pytest.fixture
def planes(viewer: ViewerModel) -> Planes:
    return Planes(viewer, ViewerLinks())


# Radiological convention: the patient's left on the right; the head upright; the face on the left.
SIDES = {
    Plane.AXIAL: Sides(left="R", right="L", top="A", bottom="P"),
    Plane.CORONAL: Sides(left="R", right="L", top="S", bottom="I"),
    Plane.SAGITTAL: Sides(left="A", right="P", top="S", bottom="I"),
}


@pytest.mark.parametrize("plane", Plane)
def test_a_plane_cuts_the_volume_as_its_name_says(
    viewer: ViewerModel, planes: Planes, case: Case, plane: Plane
) -> None:
    go_to_voxel(viewer, case, (3, 11, 9))
    planes.show(plane)
    assert planes.plane is plane
    assert shown_sides(viewer) == sides_of(plane) == SIDES[plane]
    axis = list(Plane).index(plane)
    assert slider_axis(viewer) == viewer.dims.last_used == axis
    shown = np.asarray(viewer.layers["flair"]._slice.image.raw)
    np.testing.assert_array_equal(shown, np.take(case.images[3], (3, 11, 9)[axis], axis=axis))
    assert current_voxel(viewer, case) == (3, 11, 9)


def test_the_spacing_counts_in_every_plane(viewer: ViewerModel, planes: Planes, case: Case) -> None:
    planes.show(Plane.SAGITTAL)
    layer = viewer.layers["flair"]
    shown = [layer.scale[axis] for axis in viewer.dims.displayed]
    assert shown == [case.spacing[0], case.spacing[1]]
    assert case.spacing[0] != case.spacing[1]


def test_each_plane_is_found_as_it_was_left(viewer: ViewerModel, planes: Planes) -> None:
    camera = viewer.scene.camera
    camera.orientation2d = ("down", "left")
    camera.center, camera.zoom = (0, 12.5, 7.25), 3.5
    before = (camera.center, camera.zoom, camera.orientation, viewer.dims.order, viewer.dims.point)
    planes.show(Plane.CORONAL)
    camera.zoom = 9.0
    planes.show(Plane.AXIAL)
    assert (camera.center, camera.zoom, camera.orientation, viewer.dims.order, viewer.dims.point) == before
    planes.show(Plane.CORONAL)
    assert camera.zoom == 9.0


def test_a_canvas_that_was_divided_meanwhile_is_filled_anew(viewer: ViewerModel, planes: Planes) -> None:
    camera = viewer.scene.camera
    camera.zoom = 123.0
    planes.show(Plane.CORONAL)
    viewer.canvas.grid.enabled = True
    planes.show(Plane.AXIAL)
    assert camera.zoom != 123.0


def test_axes_of_other_layers_may_stand_before_ours(viewer: ViewerModel, planes: Planes, case: Case) -> None:
    viewer.add_image(np.zeros((3, *case.grid.shape)), scale=(1, *case.spacing), translate=(0, *case.grid.translate))
    planes.show(Plane.SAGITTAL)
    assert viewer.dims.order == (0, 3, 1, 2)
    assert planes.plane is Plane.SAGITTAL
    viewer.dims.order = (3, 1, 2, 0)
    assert planes.plane is None
    assert shown_sides(viewer) is None


def test_it_tells_of_planes_that_others_choose(viewer: ViewerModel, planes: Planes) -> None:
    seen: list[Plane | None] = []
    planes.changed.connect(lambda: seen.append(planes.plane))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.order = (1, 2, 0)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    assert seen == [Plane.CORONAL, None, Plane.AXIAL, None]
    planes.show(Plane.AXIAL)
    assert planes.plane is Plane.AXIAL


def test_an_empty_viewer_has_no_planes() -> None:
    empty = ViewerModel()
    planes = Planes(empty, ViewerLinks())
    planes.show(Plane.CORONAL)
    assert planes.plane is None
    assert empty.dims.order == (0, 1)
