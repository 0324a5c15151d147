from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy

from napari_ddmd.case import Case
from napari_ddmd.viewer.navigation import (
    current_slice,
    current_voxel,
    fullest_slice,
    go_to_slice,
    go_to_voxel,
    real_viewer,
    shows_slice,
    slider_axis,
    step_to_finding,
)


def test_every_slice_can_be_gone_to(viewer: ViewerModel, case: Case) -> None:
    for index in (*range(case.grid.shape[0]), 0):
        go_to_slice(viewer, case, index)
        assert current_slice(viewer, case) == index
        # What is on the canvas is that slice.
        shown = np.asarray(viewer.layers["flair"]._slice.image.raw)
        np.testing.assert_array_equal(shown, case.images[3, index])


def test_going_to_a_slice_moves_nothing_else(viewer: ViewerModel, case: Case) -> None:
    before = viewer.dims.point[1:]
    go_to_slice(viewer, case, 1)
    assert viewer.dims.point[1:] == before


def test_axes_of_other_layers_may_stand_before_ours(viewer: ViewerModel, case: Case) -> None:
    viewer.add_image(np.zeros((3, *case.grid.shape)), scale=(1, *case.spacing), translate=(0, *case.grid.translate))
    assert viewer.dims.ndim == 4
    go_to_slice(viewer, case, 5)
    assert current_slice(viewer, case) == 5
    assert viewer.dims.current_step[1] == 5


def test_a_point_outside_counts_as_the_nearest_slice(viewer: ViewerModel, case: Case) -> None:
    viewer.add_points([[-999, 0, 0], [999, 0, 0]])
    viewer.dims.set_point(0, 998)
    assert current_slice(viewer, case) == case.grid.shape[0] - 1
    viewer.dims.set_point(0, -998)
    assert current_slice(viewer, case) == 0


def test_an_empty_viewer_stands_at_slice_0(case: Case) -> None:
    empty = ViewerModel()
    assert current_slice(empty, case) == 0
    go_to_slice(empty, case, 3)


def test_other_slices_are_not_on_the_canvas_unless_it_shows_the_volume(viewer: ViewerModel, case: Case) -> None:
    go_to_slice(viewer, case, 4)
    assert [index for index in range(8) if shows_slice(viewer, case, index)] == [4]
    viewer.dims.order = (1, 0, 2)
    assert all(shows_slice(viewer, case, index) for index in range(8))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_layers_behind_the_proxy_are_the_same_objects(viewer: ViewerModel) -> None:
    assert real_viewer(PublicOnlyProxy(viewer)) is viewer
    assert real_viewer(viewer) is viewer


def test_a_voxel_is_gone_to_along_all_axes(viewer: ViewerModel, case: Case) -> None:
    go_to_voxel(viewer, case, (2.4, 11.0, 8.6))
    assert current_voxel(viewer, case) == (2, 11, 9)
    assert viewer.dims.current_step == (2, 11, 9)
    go_to_voxel(viewer, case, (-5, 999, 3))
    assert current_voxel(viewer, case) == (0, case.grid.shape[1] - 1, 3)
    assert current_voxel(ViewerModel(), case) == (0, 0, 0)


def test_most_of_a_mask_lies_on_the_fullest_slice() -> None:
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, :2] = mask[3, 4, 3:] = 2
    assert [fullest_slice(mask, axis) for axis in range(3)] == [3, 4, 0]
    assert [fullest_slice(mask, axis, 1) for axis in (1, 2)] == [2, 0]
    assert fullest_slice(mask, 1, 0) is None
    assert fullest_slice(np.zeros_like(mask), 1) is None


@pytest.mark.parametrize("axis", range(3))
def test_findings_are_stepped_through_along_the_slider(viewer: ViewerModel, case: Case, axis: int) -> None:
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[2, 11, 7] = mask[5, 14, 10] = 1
    viewer.dims.order = (axis, *(other for other in range(3) if other != axis))
    places = ((2, 11, 7)[axis], (5, 14, 10)[axis])
    go_to_voxel(viewer, case, (0, 0, 0))
    assert slider_axis(viewer) == axis
    assert step_to_finding(viewer, case, mask, 1)
    assert current_voxel(viewer, case)[axis] == places[0]
    assert step_to_finding(viewer, case, mask, 1)
    assert current_voxel(viewer, case)[axis] == places[1]
    assert not step_to_finding(viewer, case, mask, 1)
    assert step_to_finding(viewer, case, mask, -1)
    assert current_voxel(viewer, case)[axis] == places[0]
    # Nothing else moves.
    assert [place for other, place in enumerate(current_voxel(viewer, case)) if other != axis] == [0, 0]
