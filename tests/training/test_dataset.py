"""Batches: balanced, complete, and told by the step alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_ddmd.case import load_case
from napari_ddmd.window import CaseWindow
from src_training.dataset import Slices, draw_balanced, draw_balanced_set, draw_epochs, rows_of
from src_training.prepare import prepare
from src_training.recipe import RecipeError
from src_training.run import Run

from .conftest import PATIENTS, tiny_recipe

MIXED = np.array([True] * 5 + [False] * 20)


def test_slices_of_several_cases_are_laid_end_to_end(tiny_run: Run) -> None:
    split = tiny_run.split("final")
    both, second = Slices.of(split, PATIENTS[:2]), Slices.of(split, PATIENTS[1:2])
    first = len(both.rows) - len(second.rows)
    rows = np.arange(len(both.rows))

    assert both.cases == PATIENTS[:2]
    assert both.images[0].flags.writeable is False
    assert torch.equal(both.image(rows)[first:], second.image(np.arange(len(second.rows))))
    assert torch.equal(both.mask(rows)[first:], second.mask(np.arange(len(second.rows))))
    np.testing.assert_array_equal(both.unhealthy[first:], second.unhealthy)
    image, mask = both.image(rows[:3]), both.mask(rows[:3])
    assert image.shape == (3, 4, 16, 16)
    assert mask.shape == (3, 1, 16, 16)
    assert image.dtype == mask.dtype == torch.float32
    assert 0 <= image.min() < image.max() <= 1
    assert set(both.mask(rows).unique().tolist()) == {0.0, 1.0}


def test_neighbours_come_after_the_slice_itself(tiny_run: Run) -> None:
    slices = Slices.of(tiny_run.split("final"), PATIENTS[:2])
    rows = np.arange(len(slices.rows))
    images, masks = slices.with_neighbours(rows)
    step = slices.offsets[0][-1]
    within = (slices.rows[step:, 0] == slices.rows[:-step, 0]).nonzero()[0]

    assert images.shape == (len(rows), 12, 16, 16)
    assert torch.equal(images[:, :4], slices.image(rows))
    assert torch.equal(masks[:, :1], slices.mask(rows))
    assert len(within)
    assert torch.equal(images[within + step, 4:8], slices.image(within))
    assert torch.equal(images[within, 8:], slices.image(within + step))
    assert torch.equal(masks[within, 2:], slices.mask(within + step))


def test_training_and_inference_show_the_same_neighbours(cohort: Path, tmp_path: Path) -> None:
    band = ("--slices.first-slice", "3", "--slices.last-slice", "6")
    run = Run(tiny_recipe(cohort, tmp_path, *band, "--model.context.slices", "2", "--model.context.step-mm", "6"))
    prepare(run)
    slices = Slices.of(run.split("final"), PATIENTS[:1])
    kept = json.loads(run.index_path.read_text())["cases"][PATIENTS[0]]["slices"]
    images, masks = slices.with_neighbours(np.arange(len(kept)))
    window = CaseWindow(load_case(cohort / PATIENTS[0]), run.recipe.model)

    assert kept == [3, 4, 5, 6]
    assert window.offsets == (0, -2, 2, -4, 4)
    np.testing.assert_allclose(images, window.with_neighbours(kept), atol=0.5 / 255 + 1e-6)
    assert not images[0, 12:16].any()  # slice -1 of the case
    assert images[0, 4:8].any()  # slice 1, which is not kept
    assert masks.shape == (4, 5, 16, 16)


@settings(deadline=None, max_examples=40)
@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=5), data=st.data())
def test_a_balanced_set_has_as_many_of_both_kinds(counts: list[int], data: st.DataObject) -> None:
    rows, cases = rows_of(counts), [f"case {number}" for number in range(len(counts))]
    unhealthy = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    size = min(unhealthy.sum(), (~unhealthy).sum())
    if size == 0:
        with pytest.raises(RecipeError, match=f"no {'healthy' if unhealthy.all() else 'unhealthy'} slice"):
            draw_balanced_set(cases, rows, unhealthy, 0)
        return
    kept = draw_balanced_set(cases, rows, unhealthy, 0)

    assert (np.diff(kept) > 0).all()
    assert unhealthy[kept].sum() == (~unhealthy[kept]).sum() == size


def test_a_balanced_set_depends_on_the_patients_and_the_seed_alone() -> None:
    names, counts = ["a", "b", "c"], {"a": 4, "b": 9, "c": 6}
    sick = {"a": {0}, "b": {2, 3, 7}, "c": set(range(3))}

    def chosen(order: list[str], seed: int) -> set[tuple[str, int]]:
        rows = rows_of([counts[name] for name in order])
        labels = np.array([place in sick[order[case]] for case, place in rows])
        kept = draw_balanced_set(order, rows, labels, seed)
        return {(order[case], int(place)) for case, place in rows[kept]}

    first = chosen(names, 0)
    assert len(first) == 14
    assert {(name, place) for name in names for place in sick[name]} <= first
    assert chosen(names[::-1], 0) == first
    assert chosen(names, 0) == first
    assert chosen(names, 1) != first


def test_what_is_learned_from_is_thinned_only_where_the_recipe_asks(tiny_run: Run) -> None:
    split, recipe = tiny_run.split("final"), tiny_run.recipe
    slices = Slices.of(split, PATIENTS)
    asking = replace(recipe, slices=replace(recipe.slices, balance_sets=True))
    balanced = Slices.learned_from(replace(split, run=replace(tiny_run, recipe=asking)), PATIENTS)

    assert len(Slices.learned_from(split, PATIENTS).rows) == len(slices.rows)
    assert balanced.unhealthy.mean() == 0.5
    assert len(balanced.rows) < len(slices.rows)
    marks = balanced.mask(np.arange(len(balanced.rows))).amax(dim=(1, 2, 3)).bool()
    assert not marks[~torch.from_numpy(balanced.unhealthy)].any()


@settings(deadline=None, max_examples=40)
@given(size=st.integers(1, 12), fraction=st.floats(0, 1), step=st.integers(0, 10**6))
def test_a_batch_has_its_share_of_lesions(size: int, fraction: float, step: int) -> None:
    rows = draw_balanced(MIXED, size, fraction, (0, step))

    assert rows.shape == (size,)
    assert abs(MIXED[rows].sum() - size * fraction) < 1


def test_the_share_is_right_on_average() -> None:
    shares = [MIXED[draw_balanced(MIXED, 3, 0.5, (0, step))].mean() for step in range(2000)]

    assert np.mean(shares) == pytest.approx(0.5, abs=0.015)
    assert set(np.round(shares, 3)) == {0.333, 0.667}


def test_every_row_is_drawn_sometime() -> None:
    drawn = {int(row) for step in range(300) for row in draw_balanced(MIXED, 4, 0.5, (0, step))}

    assert drawn == set(range(25))


@pytest.mark.parametrize("unhealthy", [True, False])
def test_one_kind_alone_fills_the_batch(unhealthy: bool) -> None:
    rows = draw_balanced(np.full(6, unhealthy), 4, 0.5, (0, 1))

    assert rows.shape == (4,)


def test_a_step_always_draws_the_same() -> None:
    first = draw_balanced(MIXED, 8, 0.5, (3, 17))

    np.testing.assert_array_equal(draw_balanced(MIXED, 8, 0.5, (3, 17)), first)
    assert not np.array_equal(draw_balanced(MIXED, 8, 0.5, (3, 18)), first)
    assert not np.array_equal(draw_balanced(MIXED, 8, 0.5, (4, 17)), first)


@settings(deadline=None, max_examples=60)
@given(count=st.integers(1, 60), size=st.integers(1, 20), epoch=st.integers(0, 5))
def test_an_epoch_meets_no_row_twice(count: int, size: int, epoch: int) -> None:
    per_epoch = max(1, count // size)
    batches = [draw_epochs(count, size, epoch * per_epoch + place, seed=1) for place in range(per_epoch)]
    rows = np.concatenate(batches)

    assert {len(batch) for batch in batches} == {min(size, count)}
    assert len(set(rows.tolist())) == len(rows)
    if count % size == 0 or count < size:
        assert sorted(rows.tolist()) == list(range(count))


def test_epochs_have_their_own_orders_and_leave_nobody_out() -> None:
    epochs = [np.concatenate([draw_epochs(10, 4, 2 * epoch + place, seed=0) for place in (0, 1)]) for epoch in range(9)]

    assert not np.array_equal(epochs[0], epochs[1])
    assert set(np.concatenate(epochs).tolist()) == set(range(10))
    np.testing.assert_array_equal(draw_epochs(10, 4, 3, seed=0), epochs[1][4:])
    assert not np.array_equal(draw_epochs(10, 4, 3, seed=1), epochs[1][4:])
