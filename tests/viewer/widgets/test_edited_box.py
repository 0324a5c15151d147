from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe, RunRequest, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.edited_box import EditedBox
from tests.results import slice_result


@pytest.fixture
def box(desk: Desk, qtbot: QtBot) -> EditedBox:
    box = EditedBox(desk, ViewerLinks())
    qtbot.addWidget(box)
    return box


@pytest.fixture
def recipe(case: Case, tiny_bundle: Bundle) -> Recipe:
    return RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe


@pytest.fixture
def results(desk: Desk, case: Case, recipe: Recipe) -> ResultLayers:
    """Those of a run over three slices, whose mask is in hand."""
    results = desk.results_of(case)
    for index in (3, 4, 5):
        results.add(recipe, slice_result(case, index))
    results.settle()
    desk.set_mask(results.lesion.layer)
    return results


def test_edited_slices_are_listed_and_given_back(
    desk: Desk, case: Case, box: EditedBox, results: ResultLayers, recipe: Recipe
) -> None:
    assert box.isHidden()
    model = results.lesion.data.copy()
    with results.lesion.editing("brush") as data:
        data[3:5, 0, 0] = data[7, 0, 0] = 1
    painted = results.lesion.data.copy()
    assert box.label.text() == "3 slices edited by hand: 3-4, 7"
    # A run with other slices, and another threshold, leave them alone.
    results.add(recipe, slice_result(case, 4))
    results.settle()
    desk.set_threshold(0.95)
    assert (results.lesion.data[[3, 4, 7]] == painted[[3, 4, 7]]).all()
    desk.set_threshold(0.5)
    box.all_button.click()
    assert (results.lesion.data[:7] == model[:7]).all()
    assert (results.lesion.data[7] == painted[7]).all(), "no run was there: the model's own mask is none"
    assert box.label.text() == "1 slice edited by hand: 7"
    desk.go_to(7)
    assert not box.this_button.isEnabled()
    assert not box.all_button.isEnabled()
    results.lesion.undo()
    assert (results.lesion.data == painted).all()
    assert box.label.text() == "3 slices edited by hand: 3-4, 7"


def test_one_slice_is_given_back_by_itself(desk: Desk, box: EditedBox, results: ResultLayers) -> None:
    model = results.lesion.data.copy()
    with results.lesion.editing("brush") as data:
        data[3:6, 0, 0] = 1
    painted = results.lesion.data.copy()
    desk.go_to(2)
    assert not box.this_button.isEnabled()
    desk.go_to(4)
    assert box.this_button.isEnabled()
    box.this_button.click()
    assert (results.lesion.data[4] == model[4]).all()
    assert (results.lesion.data[[3, 5]] == painted[[3, 5]]).all()
    assert box.label.text() == "2 slices edited by hand: 3, 5"
    assert not box.this_button.isEnabled()
    results.lesion.undo()
    assert (results.lesion.data == painted).all()
    assert box.this_button.isEnabled()


def test_without_a_run_there_is_nothing_to_give_back_to(desk: Desk, case: Case, box: EditedBox) -> None:
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    desk.set_mask(lesion.layer)
    with lesion.editing("brush") as data:
        data[3, 0, 0] = 1
    assert box.label.text() == "1 slice edited by hand: 3"
    assert box.all_button.isHidden()
    assert box.this_button.isHidden()
