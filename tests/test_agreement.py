from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from napari_ddmd.agreement import BOTH, ONLY_FIRST, ONLY_SECOND, Mask, compare, dice, hd95, overlap
from src_training import metrics

SPACING = (3.0, 1.0, 2.0)


def blobs(seed: int, shape: tuple[int, ...] = (6, 12, 10)) -> Mask:
    mask = np.random.default_rng(seed).random(shape) > 0.93
    mask[2:4, 3:7, 3:7] = True
    return mask


def surface(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    inner = padded.copy()
    for axis in range(mask.ndim):
        for way in (-1, 1):
            inner &= np.roll(padded, way, axis)
    return mask & ~inner[(slice(1, -1),) * mask.ndim]


def brute_hd95(first: Mask, second: Mask) -> float:
    one, other = (np.argwhere(surface(mask)) * np.array(SPACING) for mask in (first, second))
    distances = cdist(one, other)
    return float(max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_distances_are_those_of_all_pairs(first: int, second: int) -> None:
    one, other = blobs(first), blobs(second)
    assert hd95(one, other, SPACING) == pytest.approx(brute_hd95(one, other), abs=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_figures_are_those_of_the_evaluation() -> None:
    for seed in range(4):
        one, other = blobs(seed), np.roll(blobs(seed + 100), 1, axis=2)
        assert hd95(one, other, SPACING) == pytest.approx(metrics.hd95(one, other, SPACING), abs=1e-3)
        assert dice(one, other) == pytest.approx(metrics.dice(one, other))


def test_a_shift_is_as_far_as_it_is() -> None:
    one = np.zeros((8, 40, 40), bool)
    one[2:6, 10:20, 10:20] = True
    assert hd95(one, np.roll(one, 4, axis=1), SPACING) == pytest.approx(4.0)
    assert hd95(one, one, SPACING) == 0


def test_empty_masks_agree_and_have_no_distance() -> None:
    empty, full = np.zeros((2, 3, 3), bool), np.ones((2, 3, 3), bool)
    assert dice(empty, empty) == 1
    assert dice(empty, full) == 0
    assert math.isnan(hd95(empty, full, SPACING))
    assert math.isnan(hd95(full, empty, SPACING))


def test_regions_are_told_apart() -> None:
    first, second = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    assert overlap(first, second).tolist() == [[BOTH, ONLY_FIRST, ONLY_SECOND, 0]]


def test_a_comparison_counts_millilitres_and_slices() -> None:
    mask, expert = np.zeros((3, 10, 10), np.uint8), np.zeros((3, 10, 10), np.uint8)
    mask[0, :4, :5] = 2
    expert[0, :4, 1:6] = 1
    expert[1, 0, 0] = 4
    found = compare(mask, expert, (10.0, 10.0, 10.0))
    assert (found.mask_ml, found.expert_ml) == (20.0, 21.0)
    assert (found.only_mask_ml, found.only_expert_ml) == (4.0, 5.0)
    assert found.dice == pytest.approx(32 / 41)
    np.testing.assert_allclose(found.slice_dice, [0.8, 0.0, np.nan])
    assert np.count_nonzero(found.overlap == BOTH) == 16
