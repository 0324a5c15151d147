from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.overlay_box import OverlayBox
from tests.results import slice_result


@pytest.fixture
def box(desk: Desk, qtbot: QtBot) -> Iterator[OverlayBox]:
    links = ViewerLinks()
    box = OverlayBox(desk, links)
    qtbot.addWidget(box)
    yield box
    links.disconnect()
    box.layer_links.disconnect()


def add_results(desk: Desk, case: Case, *, intra: bool = True) -> None:
    results = desk.results_of(case)
    results.begin()
    results.add(Recipe(case, "sha", Sampling(samples=3)), slice_result(case, 4, intra=intra))
    results.settle()


def usable(box: OverlayBox) -> set[Role]:
    return {role for role, tick in box.ticks.items() if tick.isEnabled()}


def ticked(box: OverlayBox) -> set[Role]:
    return {role for role, tick in box.ticks.items() if tick.isChecked()}


def test_what_there_is_can_be_ticked(box: OverlayBox, desk: Desk, case: Case) -> None:
    assert usable(box) == {Role.EXPERT}
    add_results(desk, case, intra=False)
    assert usable(box) == set(box.ticks) - {Role.INTRA}
    assert ticked(box) == {Role.LESION}


def test_a_tick_and_the_layer_follow_each_other(box: OverlayBox, desk: Desk, case: Case, viewer: ViewerModel) -> None:
    add_results(desk, case)
    for role in (Role.UNCERTAINTY, Role.PROBABILITY, Role.AGREEMENT, Role.SAMPLE):
        layer = box.layer_of(role)
        assert layer is not None
        box.ticks[role].setChecked(True)
        assert layer.visible
        layer.visible = False
        assert not box.ticks[role].isChecked()
    viewer.layers.remove(viewer.layers["probability"])
    assert Role.PROBABILITY not in usable(box)


def test_all_can_be_hidden_and_come_back_as_they_were(box: OverlayBox, desk: Desk, case: Case) -> None:
    add_results(desk, case)
    box.show_overlay(Role.UNCERTAINTY)
    box.toggle_all()
    assert ticked(box) == set()
    box.toggle_all()
    assert ticked(box) == {Role.LESION, Role.UNCERTAINTY}


@pytest.mark.parametrize("role", [Role.COMPARISON, Role.DENOISING])
def test_what_has_no_tick_here_is_hidden_with_the_rest(
    box: OverlayBox, desk: Desk, case: Case, viewer: ViewerModel, role: Role
) -> None:
    add_results(desk, case)
    overlay = viewer.add_labels(np.ones(case.grid.shape, np.uint8), name="c", **grid_arguments(case, role))
    viewer.layers["lesion"].visible = False  # as while masks are compared
    box.toggle_all()
    assert not overlay.visible
    box.toggle_all()
    assert overlay.visible
    assert not viewer.layers["lesion"].visible
    box.toggle_all()
    viewer.layers.remove(overlay)
    box.toggle_all()
    assert viewer.layers["lesion"].visible, "what was hidden is gone: the lesion is what there is to show"


def test_what_has_a_panel_to_itself_is_no_overlay(box: OverlayBox, desk: Desk, case: Case, viewer: ViewerModel) -> None:
    add_results(desk, case)
    links = ViewerLinks()
    panels = FourPanels(viewer, links)
    panels.show(Arrangement.EXPLAIN, case)
    assert ticked(box) == {Role.LESION, Role.INTER, Role.INTRA, Role.PROBABILITY}
    for shown in (False, True):
        box.toggle_all()
        assert box.ticks[Role.LESION].isChecked() is shown
    links.disconnect()


def test_a_name_on_the_canvas_makes_no_panel(box: OverlayBox, desk: Desk, case: Case, viewer: ViewerModel) -> None:
    add_results(desk, case)
    viewer.layers["lesion"].name_overlay.visible = True
    box.show_state()
    assert box.ticks[Role.LESION].isEnabled()
    box.toggle_all()
    assert not viewer.layers["lesion"].visible


def test_what_is_not_there_cannot_be_shown(box: OverlayBox) -> None:
    box.show_overlay(Role.SAMPLE)
    assert ticked(box) == set()


def test_layers_of_another_case_are_not_touched(box: OverlayBox, desk: Desk, case: Case, viewer: ViewerModel) -> None:
    add_results(desk, case)
    desk.set_case(None)
    assert usable(box) == set()
    box.toggle_all()
    assert viewer.layers["lesion"].visible
