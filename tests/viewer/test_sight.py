from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.viewer.planes import Plane, Planes
from napari_ddmd.viewer.sight import Sight, bring_into_sight
from napari_ddmd.viewer.viewer_links import ViewerLinks


def test_what_is_in_sight_moves_nothing(viewer: ViewerModel, case: Case) -> None:
    viewer.reset_view()
    before = viewer.scene.camera.center
    assert not bring_into_sight(viewer, case, (4.0, 14.0, 12.0))
    assert viewer.scene.camera.center == before


def test_what_is_out_of_sight_is_centred_and_the_zoom_stays(viewer: ViewerModel, case: Case) -> None:
    viewer.scene.camera.zoom = 100.0
    viewer.scene.camera.center = (0.0, 0.0, 0.0)
    assert bring_into_sight(viewer, case, (4.0, 20.0, 5.0))
    start = case.grid.translate
    # Voxels of 2 mm.
    assert viewer.scene.camera.center[-2:] == (start[1] + 40.0, start[2] + 10.0)
    assert viewer.scene.camera.zoom == 100.0
    assert not bring_into_sight(viewer, case, (4.0, 20.0, 5.0))


def test_other_planes_have_other_axes(viewer: ViewerModel, case: Case) -> None:
    viewer.dims.order = (1, 0, 2)
    viewer.scene.camera.zoom = 100.0
    viewer.scene.camera.center = (0.0, -900.0, -900.0)
    assert bring_into_sight(viewer, case, (4.0, 20.0, 5.0))
    start = case.grid.translate
    assert viewer.scene.camera.center[-2:] == (start[0] + 12.0, start[2] + 10.0)


def test_in_3d_the_camera_stays(viewer: ViewerModel, case: Case) -> None:
    viewer.dims.ndisplay = 3
    assert not bring_into_sight(viewer, case, (400.0, 20.0, 5.0))


def small_brain(case: Case) -> Case:
    """A brain in voxels 4..7, 10..19 and 6..15, each of 3, 2 and 2 mm."""
    images = np.zeros_like(case.images)
    images[:, 4:8, 10:20, 6:16] = 1
    return dataclasses.replace(case, images=images)


def test_the_brain_fills_the_canvas(viewer: ViewerModel, case: Case) -> None:
    viewer.canvas.size = (400, 600)
    Sight(viewer, ViewerLinks()).fit(small_brain(case))
    camera, start = viewer.scene.camera, case.grid.translate

    assert camera.center[-2:] == pytest.approx((start[1] + 2 * 14.5, start[2] + 2 * 10.5))
    assert camera.zoom * 20 == pytest.approx(0.86 * 400)


def test_in_another_plane_too(viewer: ViewerModel, case: Case) -> None:
    sight = Sight(viewer, ViewerLinks())
    viewer.canvas.size = (400, 600)
    Planes(viewer, ViewerLinks(), lambda: sight.fit(small_brain(case))).show(Plane.CORONAL)
    camera, start = viewer.scene.camera, case.grid.translate

    assert camera.center[-2:] == pytest.approx((start[0] + 3 * 5.5, start[2] + 2 * 10.5))
    assert camera.zoom * 20 == pytest.approx(0.86 * 600)


def test_it_fills_a_larger_window_until_the_camera_is_moved(viewer: ViewerModel, case: Case) -> None:
    viewer.canvas.size = (400, 600)
    links = ViewerLinks()
    Sight(viewer, links).fit(small_brain(case))
    viewer.canvas.size = (800, 600)
    assert viewer.scene.camera.zoom * 20 == pytest.approx(0.86 * 600)
    viewer.scene.camera.zoom = 3.0
    viewer.canvas.size = (400, 600)
    assert viewer.scene.camera.zoom == 3.0


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_without_a_brain_all_is_shown(viewer: ViewerModel, case: Case, ndisplay: int) -> None:
    viewer.dims.ndisplay = ndisplay
    viewer.reset_view()
    look = viewer.scene.camera.center, viewer.scene.camera.zoom
    viewer.scene.camera.zoom = 100.0
    Sight(viewer, ViewerLinks()).fit(dataclasses.replace(case, images=np.zeros_like(case.images)))
    assert (viewer.scene.camera.center, viewer.scene.camera.zoom) == look
