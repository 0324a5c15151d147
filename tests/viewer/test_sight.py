from __future__ import annotations

from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.viewer.sight import bring_into_sight


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
