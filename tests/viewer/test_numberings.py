from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_ddmd.case import Case
from napari_ddmd.editing import Numbering
from napari_ddmd.viewer.numberings import are_new, number_by, numbering_of
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from tests.results import slice_result

Add = Callable[..., None]


@pytest.fixture
def results(viewer: ViewerModel, case: Case) -> ResultLayers:
    return ResultLayers(viewer, case)


@pytest.fixture
def add(results: ResultLayers, case: Case) -> Add:
    """Let a run of some settings bring slices, and end."""

    def add(*slices: int, seed: int = 0) -> None:
        results.begin()
        for index in slices:
            results.add(Recipe(case, "model", Sampling(seed=seed)), slice_result(case, index))
        results.settle()

    return add


def test_each_mask_has_a_numbering_of_its_own_until_it_gets_another() -> None:
    one, other = (Labels(np.zeros((2, 3, 4), np.uint8)) for _ in range(2))
    numbering = Numbering((2, 3, 4))
    number_by(one, numbering)
    assert numbering_of(one) is numbering
    assert numbering_of(other) is None
    assert numbering_of(None) is None
    for _ in range(2):
        number_by(one, None)
        assert numbering_of(one) is None


def test_results_are_new_once_when_more_has_come_in_or_of_another_run_or_threshold(
    results: ResultLayers, add: Add
) -> None:
    assert not are_new(results), "there are none"
    add(3)
    assert [are_new(results), are_new(results)] == [True, False]
    add(4)
    assert [are_new(results), are_new(results)] == [True, False]
    add(3, seed=1)
    assert [are_new(results), are_new(results)] == [True, False]
    results.set_threshold(0.6)
    assert [are_new(results), are_new(results)] == [True, False]


def test_a_threshold_before_any_run_numbers_no_drawn_lesion_anew(results: ResultLayers) -> None:
    results.lesion.ensure(0.5)
    with results.lesion.editing("a stroke") as data:
        data[3, 2:5, 2:5] = 1
    for threshold in (0.5, 0.6):
        results.set_threshold(threshold)
        assert not are_new(results)


def test_edits_and_a_run_with_nothing_left_to_do_make_no_results_new(results: ResultLayers, add: Add) -> None:
    add(3, 4)
    assert are_new(results)
    with results.lesion.editing("a stroke") as data:
        data[3] = 0
    assert not are_new(results)
    results.lesion.undo()
    results.lesion.undo()  # the run
    results.restore()
    results.begin()
    results.settle()
    assert not are_new(results)


def test_results_are_new_when_their_run_has_ended_which_leaves_small_parts_out(
    results: ResultLayers, case: Case
) -> None:
    results.begin()
    results.add(Recipe(case, "model", Sampling()), slice_result(case, 3))
    assert [are_new(results), are_new(results)] == [True, False]
    results.settle()
    assert [are_new(results), are_new(results)] == [True, False]
