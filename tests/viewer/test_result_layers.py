from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.model import Bundle
from napari_ddmd.segment import SliceResult
from napari_ddmd.viewer import edit_history, result_layers
from napari_ddmd.viewer.kept_run import MOST_RUNS, KeptRuns
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.navigation import go_to_slice
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.result_looks import agreement_colors
from napari_ddmd.viewer.run_settings import Recipe, RunRequest, Sampling
from napari_ddmd.volumes import Volumes
from tests.results import slice_result
from tests.viewer.conftest import AllAtOnce

AGREEMENT = "agreement of the samples"
NAMES = ["inter discrepancy", "intra discrepancy", "uncertainty", "probability", "sample 1 of 3", "lesion", AGREEMENT]


@pytest.fixture
def results(viewer: ViewerModel, case: Case) -> ResultLayers:
    return AllAtOnce(viewer, case)


@pytest.fixture
def recipe(case: Case, tiny_bundle: Bundle) -> Recipe:
    return RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe


@pytest.fixture
def other_recipe(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, sampling=dataclasses.replace(recipe.sampling, seed=9))


def result_names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers][5:]


def test_layers_appear_with_the_first_result(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.begin()
    assert result_names(viewer) == ["lesion"]  # made apart from the others, as it takes longest
    result = slice_result(case, 4)
    results.add(recipe, result)
    assert result_names(viewer) == NAMES
    for name, expected in zip(
        NAMES,
        (
            result.inter,
            result.intra,
            result.uncertainty,
            result.probability,
            result.samples[0] > 0.5,
            result.mask(0.5),
            (result.samples > 0.5).sum(axis=0),
        ),
        strict=True,
    ):
        layer = viewer.layers[name]
        np.testing.assert_array_equal(layer.data[4], expected)
        assert tuple(layer.scale) == case.spacing
        assert tuple(layer.translate) == case.grid.translate
    assert results.done == {4}
    assert results.samples == 3


def test_the_lesion_alone_is_visible_at_first(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    assert [layer.name for layer in viewer.layers if layer.visible] == ["flair", "lesion"]


def test_the_selection_stays(results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe) -> None:
    viewer.layers.selection.active = viewer.layers["t2"]
    results.add(recipe, slice_result(case, 4))
    assert viewer.layers.selection.active is viewer.layers["t2"]


def test_the_lesion_is_selected_where_nobody_has_chosen_a_layer(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    expert = viewer.layers["expert mask"]
    viewer.layers.selection.active = expert  # as napari leaves it; a brush would paint on it
    assert not expert.visible
    results.begin()
    assert viewer.layers.selection.active is viewer.layers["lesion"]
    viewer.layers.remove("lesion")
    expert.visible = True
    viewer.layers.selection.active = expert
    results.begin()
    assert viewer.layers.selection.active is expert


def test_a_model_without_intra_map_makes_no_such_layer(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    results.add(other_recipe, slice_result(case, 4, intra=False))
    assert result_names(viewer) == [name for name in NAMES if not name.startswith("intra")]


def test_runs_of_one_recipe_complete_each_other(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    for index in (4, 3):
        results.begin()
        results.add(recipe, slice_result(case, index))
    assert results.done == {3, 4}
    assert result_names(viewer) == NAMES
    assert viewer.layers["lesion"].data[3].any()
    assert viewer.layers["lesion"].data[4].any()


def test_another_recipe_starts_anew_in_the_same_layers(
    results: ResultLayers,
    viewer: ViewerModel,
    case: Case,
    recipe: Recipe,
    other_recipe: Recipe,
) -> None:
    results.add(recipe, slice_result(case, 4))
    before = list(viewer.layers)
    viewer.layers["probability"].opacity = 0.3
    results.begin()
    results.add(other_recipe, slice_result(case, 3, samples=2))
    assert list(viewer.layers) == before
    assert viewer.layers["probability"].opacity == 0.3
    assert results.done == {3}
    assert not viewer.layers["probability"].data[4].any()
    assert not viewer.layers["lesion"].data[4].any()
    assert viewer.layers["sample 1 of 2"].data[3].any()


def test_hand_edits_survive_another_recipe(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    edited = viewer.layers["lesion"]
    edited.paint((4, 20, 20), 1)
    painted = edited.data.copy()
    results.begin()
    results.add(other_recipe, slice_result(case, 3))
    results.add(other_recipe, slice_result(case, 4))
    results.settle()
    np.testing.assert_array_equal(edited.data[4], painted[4])
    np.testing.assert_array_equal(edited.data[3], slice_result(case, 3).mask(0.5))
    assert results.lesion.edited_slices == [4]
    results.release([4])
    np.testing.assert_array_equal(edited.data[4], slice_result(case, 4).mask(0.5))
    # Taken back: giving back, the run, the stroke.
    results.lesion.undo()
    np.testing.assert_array_equal(edited.data[4], painted[4])
    results.lesion.undo()
    assert not edited.data[3].any()
    results.lesion.undo()
    np.testing.assert_array_equal(edited.data[4], slice_result(case, 4).mask(0.5))


def test_hand_edits_survive_more_slices_of_the_same_recipe(
    results: ResultLayers,
    viewer: ViewerModel,
    case: Case,
    recipe: Recipe,
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    painted = viewer.layers["lesion"].data[4].copy()
    results.begin()
    results.add(recipe, slice_result(case, 3))
    assert viewer.layers["lesion"].data[3].any()
    np.testing.assert_array_equal(viewer.layers["lesion"].data[4], painted)


def test_the_threshold_makes_the_lesion_anew(
    results: ResultLayers,
    viewer: ViewerModel,
    case: Case,
    recipe: Recipe,
) -> None:
    # The probability of the lesion is 0.8.
    results.add(recipe, slice_result(case, 4))
    results.set_threshold(0.85)
    assert not viewer.layers["lesion"].data.any()
    results.set_threshold(0.5)
    np.testing.assert_array_equal(viewer.layers["lesion"].data[4], slice_result(case, 4).mask(0.5))
    results.add(recipe, slice_result(case, 5))
    viewer.layers["lesion"].data[5, 0, 0] = 1
    results.set_threshold(0.5)
    results.set_threshold(0.85)
    assert not viewer.layers["lesion"].data[4].any()
    assert viewer.layers["lesion"].data[5].sum() == slice_result(case, 5).mask(0.5).sum() + 1


def test_undo_comes_back_to_a_threshold_that_was_set_before_the_first_result(
    results: ResultLayers, case: Case, recipe: Recipe
) -> None:
    results.begin()
    results.settle()  # cancelled before the first slice
    results.set_threshold(0.3)
    results.begin()
    results.add(recipe, slice_result(case, 4))
    results.settle()
    thresholds: list[float] = []
    results.lesion.stepped_to.connect(thresholds.append)
    results.set_threshold(0.85)
    results.lesion.undo()
    assert thresholds == [0.3]


def test_undo_of_a_stroke_leaves_a_threshold_at_which_nothing_was_cut_yet(results: ResultLayers) -> None:
    results.begin()
    results.settle()
    with results.lesion.editing("painting") as data:
        data[4, 3:5, 3:5] = 1
    thresholds: list[float] = []
    results.lesion.stepped_to.connect(thresholds.append)
    results.set_threshold(0.7)
    results.lesion.undo()
    assert not results.lesion.data.any()
    results.lesion.redo()
    assert results.lesion.data.any()
    assert thresholds == []


def test_the_threshold_counts_for_results_to_come(results: ResultLayers, case: Case, recipe: Recipe) -> None:
    results.set_threshold(0.85)
    results.add(recipe, slice_result(case, 4))
    assert results.lesion.layer is not None
    assert not results.lesion.layer.data.any()


def test_samples_can_be_browsed(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results.show_sample(0)
    results.add(recipe, slice_result(case, 4))
    assert results.volumes is not None
    layer = viewer.layers["sample 1 of 3"]
    for number in (2, 0, 1):
        results.show_sample(number)
        assert layer.name == f"sample {number + 1} of 3"
        np.testing.assert_array_equal(layer.data, results.volumes.samples[number])
    results.show_sample(7)
    assert layer.name == "sample 2 of 3"
    assert not layer.editable
    results.add(other_recipe, slice_result(case, 4, samples=1))
    assert layer.name == "sample 1 of 1"


def test_removed_layers_stay_away_until_the_next_run(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.begin()
    results.add(recipe, slice_result(case, 4))
    for name in NAMES:
        viewer.layers.remove(name)
    results.add(recipe, slice_result(case, 3))
    results.refresh()
    results.set_threshold(0.6)
    results.show_sample(1)
    assert result_names(viewer) == []
    results.begin()
    results.add(recipe, slice_result(case, 5))
    assert sorted(result_names(viewer)) == sorted([*NAMES[:4], "sample 2 of 3", "lesion", AGREEMENT])
    assert viewer.layers["probability"].data[3].any()
    for index in (3, 4, 5):
        np.testing.assert_array_equal(viewer.layers["lesion"].data[index], slice_result(case, index).mask(0.6))
    assert viewer.layers["lesion"].data[3].any()
    assert viewer.layers["lesion"].data[4].any()
    assert not results.lesion.edited_slices


def test_removed_layers_are_restored_with_all_results(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.restore()
    assert result_names(viewer) == []
    for index in (5, 4):
        results.add(recipe, slice_result(case, index))
    limits = viewer.layers["inter discrepancy"].contrast_limits
    for name in ("inter discrepancy", "lesion"):
        viewer.layers.remove(name)
    results.restore()
    for index in (4, 5):
        np.testing.assert_array_equal(viewer.layers["lesion"].data[index], slice_result(case, index).mask(0.5))
    assert viewer.layers["inter discrepancy"].contrast_limits == pytest.approx(limits)


def test_restoring_leaves_hand_edits_alone(
    results: ResultLayers,
    viewer: ViewerModel,
    case: Case,
    recipe: Recipe,
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    painted = viewer.layers["lesion"].data.copy()
    results.restore()
    np.testing.assert_array_equal(viewer.layers["lesion"].data, painted)


def test_only_what_is_on_screen_is_redrawn(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    results.refresh()
    drawn: list[object] = []
    viewer.layers["lesion"].events.set_data.connect(drawn.append)
    go_to_slice(viewer, case, 4)
    drawn.clear()
    results.refresh()
    assert drawn == []
    results.add(recipe, slice_result(case, 3))
    results.refresh()
    assert drawn == []
    results.add(recipe, slice_result(case, 4))
    results.refresh()
    assert len(drawn) == 1


def test_limits_of_the_maps_grow_until_they_are_set_by_hand(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 2))
    inter = viewer.layers["inter discrepancy"]
    assert inter.contrast_limits == pytest.approx([0, 0.03])
    results.add(recipe, slice_result(case, 5))
    results.add(recipe, slice_result(case, 1))
    assert inter.contrast_limits == pytest.approx([0, 0.06])
    assert viewer.layers["intra discrepancy"].contrast_limits == pytest.approx([0, 0.03])
    inter.contrast_limits = (0.01, 0.05)
    results.add(recipe, slice_result(case, 7))
    assert inter.contrast_limits == pytest.approx([0.01, 0.05])
    assert viewer.layers["probability"].contrast_limits == [0, 1]


def test_doubtful_parts_go_when_the_run_is_over(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    result = slice_result(case, 4)
    result.probability[:] = 0
    result.probability[2:5, 2:5] = 0.9
    result.probability[8:11, 8:11] = 0.6
    recipe = dataclasses.replace(recipe, cut=Cut(0.5, 0.0, 0.8))
    results.add(recipe, result)
    lesion = viewer.layers["lesion"]
    results.settle()
    assert lesion.data[4].sum() == 18, "it may go on, and be sure, in slices that were not run"
    for index in (3, 5):
        results.add(recipe, dataclasses.replace(result, index=index, probability=np.zeros_like(result.probability)))
    assert lesion.data[4].sum() == 18
    results.settle()
    assert lesion.data[4].sum() == lesion.data[4, 2:5, 2:5].sum() == 9


def test_small_parts_go_when_the_run_is_over_and_edits_stay(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    assert recipe.cut.min_part == 0.1
    results.settle()  # before any run there is nothing to settle
    for index in (4, 7):
        result = slice_result(case, index)
        result.probability[:] = 0
        result.probability[2:9, 2:9] = 0.9
        result.probability[12, 12] = 0.9
        results.add(recipe, result)
    lesion = viewer.layers["lesion"]
    assert lesion.data[4, 12, 12] == lesion.data[7, 12, 12] == 1  # slices come in as they are
    lesion.data[7, 0, 0] = 1
    results.settle()

    assert lesion.data[4].sum() == 49
    assert lesion.data[4, 12, 12] == 0
    assert lesion.data[7, 12, 12] == lesion.data[7, 0, 0] == 1
    assert results.volumes is not None
    assert results.volumes.probability[4, 12, 12] == np.float32(0.9)


def test_agreement_has_a_colour_for_each_number_of_samples(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    layer = viewer.layers[AGREEMENT]
    assert layer.contour == 1
    assert not layer.editable
    colors = agreement_colors(3)
    brightness = [float(np.dot(colors[count][:3], (0.3, 0.6, 0.1))) for count in (1, 2, 3)]
    assert brightness == sorted(brightness)
    assert colors[0] == "transparent"
    np.testing.assert_allclose(layer.colormap.map(np.array([0, 3])), [[0, 0, 0, 0], colors[3]], atol=0.01)


def test_the_volume_is_known_at_once(results: ResultLayers, case: Case, recipe: Recipe) -> None:
    assert results.lesion.volume_ml == 0
    results.add(recipe, slice_result(case, 4))
    # Voxels of 2 mm × 2 mm × 3 mm.
    assert results.lesion.volume_ml == pytest.approx(np.count_nonzero(slice_result(case, 4).mask(0.5)) * 12 / 1000)
    results.set_threshold(0.85)
    assert results.lesion.volume_ml == 0


def test_layers_come_one_by_one_while_a_run_is_on(viewer: ViewerModel, case: Case, recipe: Recipe) -> None:
    results = ResultLayers(viewer, case)
    results.begin()
    results.add(recipe, slice_result(case, 4))
    # What the reader waits for comes first.
    assert result_names(viewer) == ["lesion"]
    active = viewer.layers.selection.active
    for count in range(2, len(NAMES) + 1):
        results.refresh()
        assert len(result_names(viewer)) == count
    assert result_names(viewer) == NAMES
    assert viewer.layers.selection.active is active
    viewer.layers.remove("probability")
    results.refresh()
    assert "probability" not in result_names(viewer)


def test_a_short_run_ends_with_all_layers(
    viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results = ResultLayers(viewer, case)
    for index, chosen in ((4, recipe), (3, other_recipe)):
        results.begin()
        results.add(chosen, slice_result(case, index))
        results.settle()
        assert result_names(viewer) == NAMES
        assert not results.awaits_layers
        assert viewer.layers["inter discrepancy"].data[index].any()


def test_a_run_that_found_nothing_leaves_no_layer(viewer: ViewerModel, case: Case) -> None:
    results = ResultLayers(viewer, case)
    results.begin()
    results.settle()
    assert result_names(viewer) == []
    results.begin()
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    results.settle()
    assert result_names(viewer) == ["lesion"]  # it holds what the user painted meanwhile


def test_hidden_layers_take_up_another_run_one_after_the_other(
    viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results = ResultLayers(viewer, case)
    results.begin()
    results.add(recipe, slice_result(case, 4))
    while results.awaits_layers:
        results.refresh()
    viewer.layers["uncertainty"].visible = True
    results.begin()
    results.add(other_recipe, slice_result(case, 3))

    def is_fresh(name: str) -> bool:
        return bool(viewer.layers[name].data[3].any())

    assert [name for name in NAMES if is_fresh(name)] == ["uncertainty", "lesion"]  # what is seen comes first
    viewer.layers["probability"].visible = True
    assert is_fresh("probability")
    for count in range(4, len(NAMES) + 1):
        results.refresh()
        assert sum(map(is_fresh, NAMES)) == count
    assert not results.awaits_layers


def test_thumbnails_are_drawn_on_request(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    go_to_slice(viewer, case, 4)
    results.add(recipe, slice_result(case, 4))
    lesion = viewer.layers["lesion"]
    results.refresh()
    before = lesion.thumbnail.copy()
    results.draw_thumbnails()
    assert (lesion.thumbnail != before).any()


def test_no_layer_comes_to_a_case_that_was_closed(viewer: ViewerModel, case: Case, recipe: Recipe) -> None:
    results = ResultLayers(viewer, case)
    results.begin()
    results.add(recipe, slice_result(case, 4))
    viewer.layers.clear()
    results.refresh()
    results.settle()
    assert len(viewer.layers) == 0


def scaled(result: SliceResult, factor: float) -> SliceResult:
    """Another run's word: every probability is smaller."""
    return dataclasses.replace(
        result, probability=result.probability * factor, samples=result.samples * factor, inter=result.inter * 2
    )


def test_a_run_that_is_taken_back_gives_way_to_the_results_before_it(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    first, second = slice_result(case, 4), scaled(slice_result(case, 4), 0.5)
    results.add(recipe, first)
    results.settle()
    results.show_sample(2)
    results.add(other_recipe, second)
    results.settle()
    assert not results.lesion.data.any()

    for _ in range(2):
        results.lesion.undo()
        assert results.recipe == recipe
        np.testing.assert_array_equal(results.lesion.data[4], first.mask(0.5))
        np.testing.assert_array_equal(viewer.layers["probability"].data[4], first.probability)
        np.testing.assert_array_equal(viewer.layers["inter discrepancy"].data[4], first.inter)
        assert (results.sample, viewer.layers["sample 3 of 3"].name) == (2, "sample 3 of 3")
        results.lesion.redo()
        assert results.recipe == other_recipe
        assert not results.lesion.data.any()
        np.testing.assert_array_equal(viewer.layers["probability"].data[4], second.probability)


def test_maps_that_only_the_earlier_run_had_come_back(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    results.settle()
    results.add(other_recipe, scaled(slice_result(case, 4, intra=False), 0.5))
    results.settle()
    assert "intra discrepancy" not in viewer.layers
    results.lesion.undo()
    np.testing.assert_array_equal(viewer.layers["intra discrepancy"].data[4], slice_result(case, 4).intra)


def seeds(recipe: Recipe, count: int) -> list[Recipe]:
    """The same run with other noise, some times."""
    return [dataclasses.replace(recipe, sampling=dataclasses.replace(recipe.sampling, seed=n)) for n in range(count)]


def test_the_latest_runs_can_be_gone_back_to_and_on_again(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    recipes = seeds(recipe, MOST_RUNS + 2)
    for number, one in enumerate(recipes):
        results.add(one, slice_result(case, 1 + number))
        results.settle()
    for number in (3, 2, 1):
        results.lesion.undo()
        assert results.recipe == recipes[number]
        assert np.flatnonzero(results.lesion.data.any(axis=(1, 2))).tolist() == [1 + number]
        assert np.flatnonzero(viewer.layers["probability"].data.any(axis=(1, 2))).tolist() == [1 + number]
    assert results.lesion.next_undo is None, "of the first one nothing is known any more"
    results.lesion.undo()
    assert results.recipe == recipes[1]
    for number in (2, 3, 4):
        results.lesion.redo()
        assert results.recipe == recipes[number]
        assert np.flatnonzero(results.lesion.data.any(axis=(1, 2))).tolist() == [1 + number]


def test_undo_and_redo_go_through_runs_of_unlike_sizes(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    """The last one alone takes more than all that may be kept: mask and maps stay of one run all the same."""
    results.kept = KeptRuns(most=3, most_bytes=4 * case.brain.size * (4 * 4 + 3 + 1))
    recipes = seeds(recipe, 4)
    for number, one in enumerate(recipes):
        result = slice_result(case, 2 + number if number < 3 else 5)
        if number == 3:
            result = dataclasses.replace(result, samples=np.repeat(result.samples, 40, axis=0))
        results.add(one, result)
        results.settle()
    for number in (2, 1, 0, 1, 2, 3):
        (results.lesion.undo if results.recipe.sampling.seed > number else results.lesion.redo)()  # type: ignore[union-attr]
        assert results.recipe == recipes[number]
        for shown in (results.lesion.data, viewer.layers["probability"].data):
            assert np.flatnonzero(shown.any(axis=(1, 2))).tolist() == [2 + number]


def test_no_two_runs_have_one_number(results: ResultLayers, case: Case, recipe: Recipe) -> None:
    first, second, third = seeds(recipe, 3)
    for one, index in ((first, 2), (second, 3)):
        results.add(one, slice_result(case, index))
        results.settle()
    results.lesion.undo()
    results.recipe = None  # as after a run whose first slice could not be taken in
    results.add(third, slice_result(case, 4))
    results.settle()
    assert results.resume(second)
    assert results.done == {3}
    results.lesion.undo()
    assert results.recipe == third
    assert results.done == {4}


def test_a_run_that_was_taken_back_does_not_return_with_another_that_finds_nothing(
    results: ResultLayers, case: Case, recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 3))
    results.settle()
    results.lesion.undo()
    results.begin()  # of a third one, which is cancelled before its first slice
    results.settle()
    assert results.done == set()
    assert not results.lesion.data.any()
    assert results.lesion.next_redo == "run"
    results.set_threshold(0.4)
    assert results.done == set(), "nor with another threshold"


def test_a_run_with_the_settings_of_an_earlier_one_goes_on_with_it_and_can_be_taken_back(
    results: ResultLayers, case: Case, recipe: Recipe
) -> None:
    first, second, third = seeds(recipe, 3)
    for one, index in ((first, 2), (second, 3), (third, 4)):
        results.add(one, slice_result(case, index))
        results.settle()
    results.add(first, slice_result(case, 5))
    results.settle()
    assert results.done == {2, 5}
    for expected, slices in ((third, {4}), (second, {3}), (first, {2})):
        results.lesion.undo()
        assert results.recipe == expected
        assert results.done == slices
    for expected, slices in ((second, {3}), (third, {4}), (first, {2, 5})):
        results.lesion.redo()
        assert (results.recipe, results.done) == (expected, slices)


def test_a_run_that_is_taken_back_while_it_is_on_goes_on(
    results: ResultLayers, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 5))
    results.settle()
    results.add(other_recipe, slice_result(case, 3))
    results.lesion.undo()
    assert results.recipe == recipe
    results.add(other_recipe, slice_result(case, 4))
    results.settle()

    assert results.recipe == other_recipe
    assert results.done == {3, 4}
    assert [bool(plane.any()) for plane in results.lesion.data[3:6]] == [True, True, False]


def test_a_mask_that_was_taken_back_comes_again(results: ResultLayers, case: Case, recipe: Recipe) -> None:
    results.add(recipe, slice_result(case, 4))
    results.settle()
    results.lesion.undo()
    assert not results.lesion.data.any()
    results.restore()
    np.testing.assert_array_equal(results.lesion.data[4], slice_result(case, 4).mask(0.5))
    assert results.lesion.next_undo == "run"


def test_slices_of_a_run_that_was_taken_back_do_not_count_until_they_come_again(
    results: ResultLayers, case: Case, recipe: Recipe
) -> None:
    for slices in ((2, 3), (4, 0)):  # the second on the first; slice 0 holds no lesion
        results.begin()
        for index in slices:
            results.add(recipe, slice_result(case, index))
        results.settle()
    assert results.done == results.computed == {0, 2, 3, 4}
    results.lesion.undo()
    assert results.done == {2, 3}
    assert results.computed == {0, 2, 3, 4}
    results.lesion.redo()
    assert results.done == {0, 2, 3, 4}
    results.lesion.undo()
    results.lesion.undo()
    assert results.done == set()
    results.restore()
    assert results.done == {0, 2, 3, 4}


def test_each_run_has_its_own_slices_when_it_is_taken_back(
    results: ResultLayers, case: Case, recipe: Recipe, other_recipe: Recipe
) -> None:
    results.add(recipe, slice_result(case, 4))
    results.settle()
    results.add(other_recipe, slice_result(case, 3))
    results.settle()
    assert results.done == {3}
    results.lesion.undo()
    assert results.done == {4}
    results.lesion.redo()
    assert results.done == {3}


@pytest.mark.parametrize(
    ("place", "name"),
    [(Volumes, "mask"), (LesionLayer, "_put"), (edit_history, "_difference"), (result_layers, "result_layer")],
)
def test_where_memory_is_short_nothing_of_an_earlier_run_comes_back(
    place: Any,
    name: str,
    results: ResultLayers,
    viewer: ViewerModel,
    case: Case,
    recipe: Recipe,
    other_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for one, index in ((recipe, 4), (other_recipe, 3)):
        results.add(one, slice_result(case, index))
        results.settle()
    viewer.layers["lesion"].paint((5, 15, 15), 1)
    viewer.layers.remove("agreement of the samples")
    works, calls = getattr(place, name), 0

    def fails_in_the_middle(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > (4 if name == "_put" else 0):
            raise MemoryError
        return works(*arguments, **options)

    def shown() -> list[Any]:
        return [[layer.name, layer.data.copy()] for layer in viewer.layers]

    before = shown()
    with monkeypatch.context() as short:
        short.setattr(place, name, fails_in_the_middle)
        with pytest.raises(MemoryError):
            results.resume(recipe)
    np.testing.assert_equal(shown(), before)
    assert (results.recipe, results.done, results.lesion.edited_slices) == (other_recipe, {3}, [5])
    assert results.lesion.next_undo == "painting"

    assert results.resume(recipe)
    for _ in range(3):
        results.lesion.undo()
    assert (results.recipe, results.done, results.lesion.edited_slices) == (recipe, {4}, [])
    np.testing.assert_array_equal(results.lesion.data[4], slice_result(case, 4).mask(0.5))


def test_undo_in_mid_run_takes_the_stroke_and_leaves_the_run(
    results: ResultLayers, viewer: ViewerModel, case: Case, recipe: Recipe
) -> None:
    results.begin()
    lesion = viewer.layers["lesion"]
    lesion.paint((6, 15, 15), 1)  # before the first slice
    results.add(recipe, slice_result(case, 4))
    lesion.paint((3, 15, 15), 1)
    lesion.paint((4, 15, 15), 1)
    for index in (3, 5):
        results.add(recipe, slice_result(case, index))
    assert results.lesion.is_in_run
    for edited in ([3, 6], [6], []):
        lesion.undo()
        assert results.lesion.edited_slices == edited
    lesion.undo()
    assert results.lesion.next_undo is None
    for index in (4, 5):
        np.testing.assert_array_equal(lesion.data[index], slice_result(case, index).mask(0.5))
    lesion.redo()
    assert results.lesion.edited_slices == [6]
    results.add(recipe, slice_result(case, 2))
    lesion.redo()
    results.settle()
    assert results.lesion.edited_slices == [6]
    for index in range(2, 6):
        np.testing.assert_array_equal(lesion.data[index], slice_result(case, index).mask(0.5))
    assert results.done == {2, 3, 4, 5}
    assert (results.lesion.is_in_run, results.lesion.next_undo) == (False, "run")
