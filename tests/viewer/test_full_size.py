from __future__ import annotations

import pytest
from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.full_size import FullSize
from napari_ddmd.viewer.viewer_links import ViewerLinks


@pytest.fixture
def panels(viewer: ViewerModel) -> FourPanels:
    return FourPanels(viewer, ViewerLinks())


@pytest.fixture
def full_size(viewer: ViewerModel, panels: FourPanels) -> FullSize:
    return FullSize(viewer, panels)


def visible(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def test_one_modality_follows_the_other_beneath_what_lies_over_it(
    viewer: ViewerModel, case: Case, full_size: FullSize
) -> None:
    viewer.layers["expert mask"].visible = True
    viewer.layers.selection.active = viewer.layers["flair"]
    assert full_size.shown(case) == "flair"
    for way, name in ((1, "t1"), (1, "t1ce"), (-1, "t1"), (-1, "flair"), (-1, "t2")):
        full_size.step(case, way)
        assert visible(viewer) == [name, "expert mask"]
        assert full_size.shown(case) == name
        assert viewer.layers.selection.active is viewer.layers[name], "whose window the mouse sets"


def test_a_mask_stays_in_hand(viewer: ViewerModel, case: Case, full_size: FullSize) -> None:
    viewer.layers.selection.active = viewer.layers["expert mask"]
    full_size.show(case, "t1ce")
    assert viewer.layers.selection.active is viewer.layers["expert mask"]


def test_a_divided_canvas_is_put_together(
    viewer: ViewerModel, case: Case, full_size: FullSize, panels: FourPanels
) -> None:
    for way, name in ((1, "t1"), (-1, "flair")):
        panels.show(Arrangement.MODALITIES, case)
        assert full_size.shown(case) is None
        full_size.step(case, way)
        assert panels.arrangement is Arrangement.SINGLE
        assert not viewer.canvas.grid.enabled
        assert visible(viewer) == [name]


def test_an_image_that_is_not_there_is_left_out(viewer: ViewerModel, case: Case, full_size: FullSize) -> None:
    viewer.layers.remove("t1")
    full_size.show(case, "t1")
    assert visible(viewer) == ["flair"]
    full_size.step(case, 1)
    assert visible(viewer) == ["t1ce"]
    viewer.layers["t1ce"].visible = False
    assert full_size.shown(case) is None
    full_size.step(None, 1)
    assert visible(viewer) == []


def test_of_several_that_are_visible_the_topmost_is_seen(viewer: ViewerModel, case: Case, full_size: FullSize) -> None:
    viewer.layers["t1"].visible = True
    assert full_size.shown(case) == "flair"
    viewer.layers.move(viewer.layers.index("t1"), len(viewer.layers))
    assert full_size.shown(case) == "t1"
