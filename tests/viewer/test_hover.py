from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest

from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.hover import Hover, describe_voxel, voxel_at
from napari_ddmd.viewer.navigation import current_slice
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from tests.results import finished, slice_result


@pytest.fixture
def hover(desk: Desk) -> Iterator[Hover]:
    links = ViewerLinks()
    hover = Hover(desk, links)
    yield hover
    links.disconnect()
    hover.release()


def point(case: Case, voxel: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(t + v * s for t, v, s in zip(case.grid.translate, voxel, case.spacing, strict=True))


def status(viewer: ViewerModel, case: Case, voxel: tuple[int, int, int]) -> Any:
    """What napari shows, asked in its own way."""
    viewer.mouse_over_canvas = True
    viewer.cursor.position = point(case, voxel)
    viewer.update_status_from_cursor()
    return viewer.status


def add_result(desk: Desk, case: Case, index: int) -> None:
    results = desk.results_of(case)
    results.begin()
    results.add(Recipe(case, "sha", Sampling(samples=3)), slice_result(case, index))


@pytest.mark.usefixtures("hover")
def test_the_images_are_told_at_once_in_whichever_layer(viewer: ViewerModel, case: Case) -> None:
    voxel = (4, 14, 12)
    expected = " · ".join(
        f"{label} {case.images[number][voxel]:.5g}" for number, label in enumerate(("T1", "T1ce", "T2", "FLAIR"))
    )
    for layer in viewer.layers:
        viewer.layers.selection.active = layer
        told = status(viewer, case, voxel)
        assert told["coordinates"] == f"slice 4 · {expected}"
        assert told["layer_base"] == ""


@pytest.mark.usefixtures("hover")
def test_results_are_told_where_the_slice_has_come_in(viewer: ViewerModel, case: Case, desk: Desk) -> None:
    assert case.mask is not None
    row, column = np.argwhere(case.mask[4] > 0)[0]
    add_result(desk, case, 4)
    told = status(viewer, case, (4, row, column))["coordinates"]
    assert told.endswith("inter 0.05 · intra 0.025 · probability 0.80 · uncertainty 0.25 · 3 of 3 samples")
    assert status(viewer, case, (4, 0, 0))["coordinates"].endswith(
        "probability 0.00 · uncertainty 0.00 · 0 of 3 samples"
    )
    assert "probability" not in status(viewer, case, (3, row, column))["coordinates"]


@pytest.mark.usefixtures("hover")
def test_labels_that_somebody_drew_on_the_cases_grid_tell_it_too(viewer: ViewerModel, case: Case) -> None:
    own = viewer.add_labels(np.full(case.grid.shape, 7, np.uint8), scale=case.spacing, translate=case.grid.translate)
    other = viewer.add_labels(np.ones((3, 4, 5), np.uint8), scale=case.spacing, translate=case.grid.translate)
    for layer, is_told in ((own, True), (other, False)):
        viewer.layers.selection.active = layer
        told = status(viewer, case, (1, 2, 3))
        assert told["coordinates"].startswith("slice 1 · T1 ") == is_told
        assert "7" in told["value"] or not is_told


@pytest.mark.usefixtures("hover")
def test_no_lesion_is_named_where_none_is(viewer: ViewerModel, case: Case) -> None:
    assert "lesion" not in status(viewer, case, (4, 14, 12))["coordinates"]


def test_the_lesion_is_named_by_its_number(viewer: ViewerModel, case: Case, desk: Desk) -> None:
    links = ViewerLinks()
    hover = Hover(desk, links, lambda voxel: 2 if voxel == (4, 14, 12) else 0)
    assert status(viewer, case, (4, 14, 12))["coordinates"].startswith("slice 4 · lesion 2 · T1 ")
    assert status(viewer, case, (4, 14, 13))["coordinates"].startswith("slice 4 · T1 ")
    links.disconnect()
    hover.release()


def test_maps_that_a_model_has_not_are_left_out(case: Case) -> None:
    words = describe_voxel(case, finished(case, slices=[4], intra=False), (4, 14, 12))
    assert "inter" in words
    assert "intra" not in words


def test_an_image_that_is_missing_has_no_value(case: Case) -> None:
    words = describe_voxel(case, None, (4, 14, 12), missing=("t1",))
    assert words.startswith("T1 missing · T1ce ")
    assert words.count("missing") == 1


@pytest.mark.usefixtures("hover")
def test_the_status_bar_says_which_image_is_missing(viewer: ViewerModel, case: Case) -> None:
    case.images[0] = 0
    assert " · T1 missing · T1ce " in status(viewer, case, (4, 14, 12))["coordinates"]


@pytest.mark.usefixtures("hover")
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1)])
def test_other_planes_are_told_the_same(viewer: ViewerModel, case: Case, order: tuple[int, ...]) -> None:
    axial = status(viewer, case, (4, 14, 12))["coordinates"]
    viewer.dims.order = order
    assert status(viewer, case, (4, 14, 12))["coordinates"] == axial


@pytest.mark.usefixtures("hover")
def test_every_panel_of_the_grid_tells_the_same(viewer: ViewerModel, case: Case, desk: Desk) -> None:
    add_result(desk, case, 4)
    FourPanels(viewer, ViewerLinks()).show(Arrangement.MODALITIES, case)
    for layer in viewer.layers:
        viewer.layers.selection.active = layer
        assert status(viewer, case, (4, 14, 12))["coordinates"].startswith("slice 4 · T1 ")
    # Without a selection napari makes one line of all layers: the values come once, and copies say nothing.
    viewer.layers.selection.clear()
    line = status(viewer, case, (4, 14, 12))
    assert line.count("slice 4") == 1
    assert "copy" not in line


@pytest.mark.usefixtures("hover")
def test_outside_the_case_and_in_3d_nothing_changes(viewer: ViewerModel, case: Case, desk: Desk) -> None:
    depth = case.grid.shape[0]
    assert "T1ce" not in str(status(viewer, case, (depth + 3, 0, 0)))
    other = viewer.add_image(np.zeros(case.grid.shape), name="another")
    viewer.layers.selection.active = other
    assert "T1ce" not in str(status(viewer, case, (4, 14, 12)))
    viewer.layers.selection.active = viewer.layers["flair"]
    viewer.dims.ndisplay = 3
    assert "T1ce" not in str(status(viewer, case, (4, 14, 12)))
    viewer.dims.ndisplay = 2
    assert "T1ce" in str(status(viewer, case, (4, 14, 12)))
    desk.set_case(None)
    assert "T1ce" not in str(status(viewer, case, (4, 14, 12)))


def test_the_layers_get_their_own_method_back(viewer: ViewerModel, case: Case, hover: Hover, desk: Desk) -> None:
    layer = viewer.layers["flair"]
    gone = viewer.layers["t1"]
    viewer.layers.remove(gone)
    assert "get_status" not in vars(gone)
    add_result(desk, case, 4)
    lesion = viewer.layers["lesion"]
    assert isinstance(lesion, Labels)
    assert "get_status" in vars(lesion)
    hover.release()
    assert "get_status" not in vars(layer)
    assert "get_status" not in vars(lesion)
    assert "T1ce" not in str(status(viewer, case, (4, 14, 12)))


def test_a_point_is_rounded_to_its_voxel(case: Case) -> None:
    start = np.asarray(point(case, (2, 3, 5)))
    near = 0.4 * np.asarray(case.spacing)
    assert voxel_at(case, start + near) == (2, 3, 5)
    assert voxel_at(case, start - near) == (2, 3, 5)
    # Axes of other layers stand before ours.
    assert voxel_at(case, [7, *start]) == (2, 3, 5)
    assert voxel_at(case, point(case, (-1, 0, 0))) is None
    assert voxel_at(case, start[1:]) is None


def test_the_mouse_is_told_in_every_panel_of_a_window(
    make_napari_viewer: Callable[..., Any], add: Callable[[Any, Case], None], case: Case, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    add(viewer, case)
    desk = Desk(viewer)
    desk.set_case(case)
    links = ViewerLinks()
    hover = Hover(desk, links)
    FourPanels(viewer, links).show(Arrangement.MODALITIES, case)
    canvas = viewer.window._qt_viewer.canvas.native
    # Tests of napari do without the thread that asks; what it does is done here.
    ask = viewer.window._qt_window.status_thread.calculate_status
    told = set()

    def look(x: float, y: float) -> bool:
        place = QPoint(int(canvas.width() * x), int(canvas.height() * y))
        for shift in (3, 0):
            QTest.mouseMove(canvas, place + QPoint(shift, shift))
        ask()
        return "T1ce" in str(viewer.status)

    for x, y in ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)):
        viewer.status = "Ready"
        qtbot.waitUntil(partial(look, x, y), timeout=10_000)
        told.add(viewer.status["coordinates"].split(" · ")[0])
    assert told == {f"slice {current_slice(viewer, case)}"}
    links.disconnect()
    hover.release()
