from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_ddmd.viewer.edit_history import EditHistory


def test_a_step_is_taken_back_and_done_again() -> None:
    mask, written = np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4), np.uint8)
    history = EditHistory((mask, written), 0.5)
    mask[1, 2, 2] = written[1, 2, 2] = 1
    assert history.commit("run")
    mask[2] = 1
    assert history.commit("brush", slices=[2])
    assert (history.next_undo, history.next_redo) == ("brush", None)
    step = history.undo()
    assert step is not None
    assert step.name == "brush"
    assert mask.sum() == 1
    history.undo()
    assert mask.sum() == written.sum() == 0
    assert history.undo() is None
    history.redo()
    history.redo()
    assert mask.sum() == 17
    assert history.redo() is None


def test_a_threshold_that_flips_no_voxel_is_a_step_and_the_same_one_is_none() -> None:
    mask = np.zeros((2, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    assert not history.commit("threshold", 0.5)
    assert history.commit("threshold", 0.4, joins=True)
    mask[0, 0, 0] = 1
    history.commit("threshold", 0.3, joins=True)
    mask[1] = 1
    history.commit("brush")
    history.undo()
    step = history.undo()
    assert step is not None
    assert step.threshold == (0.5, 0.3), "a slider that is dragged comes back to where it began"
    assert not mask.any()
    assert history.undo() is None


def test_a_threshold_that_flips_no_voxel_leaves_what_can_be_done_again() -> None:
    mask = np.zeros((2, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    mask[0] = 1
    history.commit("brush")
    history.undo()
    assert not history.commit("threshold", 0.4, joins=True)
    assert history.redo() is not None
    assert mask[0].all()


@pytest.mark.parametrize("flips", [False, True])
def test_a_slider_that_goes_there_and_back_is_no_step(flips: bool) -> None:
    mask = np.zeros((2, 3, 3), np.uint8)
    mask[1, 1] = 1
    history = EditHistory((mask,), 0.5)
    for value, threshold in ((1, 0.4), (0, 0.3), (1, 0.4), (0, 0.5)):
        mask[0, 0] = value * flips
        history.commit("threshold", threshold, joins=True)
    assert history.next_undo is None
    mask[0, 1] = 1
    history.commit("threshold", 0.4, joins=True)
    step = history.undo()
    assert step is not None
    assert step.threshold == (0.5, 0.4)
    assert not mask[0].any()


def test_a_stroke_is_taken_back_from_under_a_run_past_a_threshold_that_flipped_nothing() -> None:
    mask = np.zeros((4, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    mask[0, 0] = 1
    history.commit("brush", slices=[0])
    history.hold("run")
    mask[1] = 1
    history.gather("run", [1])
    history.commit("threshold", 0.4, slices=[1], joins=True)
    mask[2] = 1
    history.gather("run", [2])
    assert history.next_undo == "brush"
    history.undo()
    assert not mask[0].any()
    assert mask[1:3].all()


def test_the_slices_of_a_run_are_one_step_and_a_stroke_is_its_own() -> None:
    mask = np.zeros((4, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    for index in (0, 1):
        mask[index] = 1
        history.gather("run", [index])
    mask[1, 0, 0] = 0
    history.commit("brush", slices=[1])
    mask[2] = 1
    history.gather("run", [2])
    mask[2, 0, 0] = 0
    history.gather("run", [2])
    assert history.next_undo == "run"
    history.undo()
    assert mask[2].sum() == 0
    history.redo()
    assert mask[2].sum() == 8
    history.undo()
    assert history.next_undo == "brush"
    history.undo()
    assert mask[:2].all()
    history.undo()
    assert not mask.any()


def test_a_new_step_ends_redo() -> None:
    mask = np.zeros((2, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    mask[0] = 1
    history.commit("a")
    history.undo()
    mask[1] = 1
    history.commit("b")
    assert history.redo() is None
    assert mask[0].sum() == 0


def test_the_oldest_steps_go_first() -> None:
    mask = np.zeros((2, 30, 30), np.uint8)
    history = EditHistory((mask,), 0.5, most_bytes=20_000)
    for value in range(1, 6):
        mask[:] = value
        history.commit(str(value))
    history.undo()
    history.undo()
    assert history.undo() is None
    # What was forgotten is as it was when it was forgotten.
    assert (mask == mask[0, 0, 0]).all()
    assert mask[0, 0, 0] >= 3


edit = st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 5), st.integers(0, 3))


@given(steps=st.lists(st.lists(edit, min_size=1, max_size=6), max_size=8), back=st.integers(0, 9))
def test_any_edits_come_back_exactly(steps: list[list[tuple[int, int, int, int]]], back: int) -> None:
    mask = np.zeros((3, 6, 6), np.uint8)
    history = EditHistory((mask,), 0.5)
    states = [mask.copy()]
    for edits in steps:
        for s, h, w, value in edits:
            mask[s, h, w] = value
        if history.commit("edit"):
            states.append(mask.copy())
    taken = sum(history.undo() is not None for _ in range(back))
    np.testing.assert_array_equal(mask, states[len(states) - 1 - taken])
    while history.redo() is not None:
        pass
    np.testing.assert_array_equal(mask, states[-1])


def test_a_stroke_is_taken_back_from_under_a_run_that_is_on() -> None:
    mask = np.zeros((5, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    history.hold("run")
    mask[0] = 1
    history.gather("run", [0])
    assert history.next_undo is None
    assert history.undo() is None
    mask[1, 0, 0] = 1
    history.commit("brush")
    mask[2] = 1
    history.gather("run", [2])
    assert history.next_undo == "brush"
    for _ in range(2):
        history.undo()
        assert [int(plane.sum()) for plane in mask] == [9, 0, 9, 0, 0]
        history.redo()
        assert mask[1].sum() == 1
    history.undo()
    mask[3] = 1
    history.gather("run", [3])
    assert history.next_redo is None, "the run may have come to where the stroke was"
    history.hold(None)
    assert history.next_undo == "run"
    while history.undo():
        pass
    assert not mask.any()


def test_what_a_run_has_written_over_stays_until_it_has_ended() -> None:
    mask = np.zeros((3, 3, 3), np.uint8)
    history = EditHistory((mask,), 0.5)
    mask[0, 0, 0] = 1
    history.commit("brush")
    mask[1, 0, 0] = 1
    history.commit("threshold", 0.4)
    history.hold("run")
    assert history.next_undo == "threshold", "nothing came in since"
    mask[2] = 1
    history.gather("run", [2])
    assert history.next_undo is None, "what comes in is of this threshold"
    history.hold(None)
    history.undo()
    history.undo()
    history.hold("run")
    mask[0] = 1
    history.gather("run", [0])
    assert history.next_undo is None, "the run has written there"
