from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_ddmd.case import Case, load_case
from napari_ddmd.cut import Cut
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from tests.conftest import CaseWriter
from tests.results import slice_result

Run = Callable[[Case, float], None]


@pytest.fixture
def desk(qapp: QApplication) -> Desk:
    return Desk(ViewerModel())


@pytest.fixture
def run(desk: Desk) -> Run:
    """Run a model that cuts at a probability, after choosing it."""

    def run_(case: Case, own: float) -> None:
        desk.wanted_threshold.follow_model(own)
        desk.set_case(case)
        results = desk.results_of(case)
        results.begin()
        results.add(Recipe(case, f"{own}", Sampling(samples=3), Cut(own)), slice_result(case, 4))
        results.settle()

    return run_


@pytest.fixture
def other(write_small_case: CaseWriter, tmp_path: Path) -> Case:
    return load_case(write_small_case(tmp_path / "Small_009"))


def shown(desk: Desk) -> float:
    assert desk.results is not None
    return desk.results.threshold


def test_a_wish_that_is_the_own_threshold_of_the_next_model_stays_one(desk: Desk, case: Case, run: Run) -> None:
    run(case, 0.3)
    desk.set_threshold(0.5)
    run(case, 0.5)
    assert shown(desk) == 0.5
    run(case, 0.3)
    assert shown(desk) == desk.threshold == 0.5


def test_a_wish_holds_for_cases_to_come_and_for_those_that_were_only_begun(
    desk: Desk, case: Case, other: Case, run: Run
) -> None:
    begun = desk.results_of(other)
    begun.lesion.ensure(begun.threshold)
    run(case, 0.5)
    desk.set_threshold(0.4)
    assert begun.threshold == desk.threshold == 0.4
    run(other, 0.3)
    assert shown(desk) == 0.4


def test_a_run_that_is_taken_back_says_nothing_of_cases_to_come(desk: Desk, case: Case, other: Case, run: Run) -> None:
    run(case, 0.5)
    run(other, 0.5)
    desk.set_threshold(0.4)
    run(case, 0.8)
    assert (shown(desk), desk.threshold) == (0.8, 0.4), "of this case the reader has moved nothing"
    desk.results_of(case).lesion.undo()
    assert (shown(desk), desk.threshold) == (0.5, 0.4)
    desk.results_of(case).lesion.redo()
    assert (shown(desk), desk.threshold) == (0.8, 0.4)


def test_a_move_that_is_taken_back_is_none(desk: Desk, case: Case, run: Run) -> None:
    run(case, 0.5)
    desk.set_threshold(0.9)
    assert desk.threshold == 0.9
    desk.results_of(case).lesion.undo()
    assert shown(desk) == desk.threshold == 0.5
    run(case, 0.3)
    assert shown(desk) == desk.threshold == 0.3


def test_a_begun_case_that_the_reader_has_set_keeps_it_whichever_model_is_chosen(desk: Desk, case: Case) -> None:
    desk.wanted_threshold.follow_model(0.3)
    desk.set_case(case)
    begun = desk.results_of(case)
    desk.set_threshold(0.5)
    for own in (0.5, 0.3):
        desk.wanted_threshold.follow_model(own)
        assert begun.threshold == desk.threshold == 0.5
