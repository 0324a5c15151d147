"""How a lesion is cut out of its probability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.cut import Cut

LEVELS = np.array([0, 0.1, 0.3, 0.4, 0.6], np.float32).tolist()


def parts() -> NDArray[np.bool_]:
    """Parts of 64, 8 and 6 voxels; the last one touches nothing but by a corner of its own two halves."""
    mask = np.zeros((12, 12, 12), bool)
    mask[:4, :4, :4] = True
    mask[6:8, 6:8, 6:8] = True
    mask[10, 0, :3] = True
    mask[11, 1, 3:6] = True
    return mask


@pytest.mark.parametrize(("share", "left"), [(0.0, 78), (0.09, 78), (0.1, 72), (0.125, 72), (0.13, 64), (1.0, 64)])
def test_parts_below_a_share_of_the_largest_are_dropped(share: float, left: int) -> None:
    mask = parts()
    kept = Cut(min_part=share).mask(mask.astype(np.float32))

    assert kept.dtype == bool
    assert kept.sum() == left
    assert not (kept & ~mask).any()
    assert kept[:4, :4, :4].all()


def test_parts_are_connected_across_slices() -> None:
    mask = np.zeros((9, 5, 5), bool)
    mask[:, 2, 2] = True  # one voxel a slice, nine in all
    mask[0, 0, 0:1] = True
    assert Cut(min_part=0.5).mask(mask.astype(np.float32)).sum() == 9


def test_of_nothing_nothing_is_dropped() -> None:
    assert not Cut(0.5, 0.1, 0.6).mask(np.zeros((3, 4, 5), np.float32)).any()
    assert Cut(0.5, 1.0, 0.6).mask(np.ones((3, 4, 5), np.float32)).all()


def test_a_part_that_is_sure_nowhere_is_dropped_and_counts_for_no_share() -> None:
    probability = 0.4 * parts().astype(np.float32)
    probability[7, 7, 7] = 0.9  # one voxel of the part of 8
    assert Cut(0.3).mask(probability).sum() == 78
    np.testing.assert_array_equal(Cut(0.3, 0.5, 0.5).mask(probability).nonzero()[0], [6] * 4 + [7] * 4)
    assert Cut(0.3, 0.0, 0.5).mask(probability, 0.6).sum() == 1, "what exceeds the threshold is surer than that"
    assert not Cut(0.3, 0.0, 0.9).mask(probability).any(), "to be equal is not to exceed"


def test_every_lower_threshold_finds_more() -> None:
    faint = np.zeros((5, 9, 9), np.float32)
    faint[2, 1, 1], faint[2, 4, 4], faint[2, 7, 7] = 0.45, 0.35, 0.25
    cut = Cut(0.3, 0.0, 0.5)
    assert [cut.mask(faint, threshold).sum() for threshold in (0.5, 0.3, 0.25, 0.2, 0.14)] == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("threshold", "peak"), [(0.8, 0.8), (0.5, 0.5), (0.4, 0.5), (0.3, 0.5), (0.15, 0.25), (0.0, 0.0)]
)
def test_the_peak_comes_down_with_a_threshold_below_the_models_own(threshold: float, peak: float) -> None:
    cut = Cut(0.3, 0.0, 0.5)
    assert cut.peak(threshold) == pytest.approx(peak)
    assert cut.asked_peak(threshold) == pytest.approx(peak if peak > threshold else 0)
    assert Cut(0.3).peak(threshold) == threshold


def test_a_lesion_is_not_lost_beside_the_wide_faint_rim_of_another() -> None:
    probability = np.zeros((3, 20, 20), np.float32)
    probability[:, :12, :12] = 0.4
    probability[1, 4:8, 4:8] = 0.9  # 16 voxels of 432
    probability[1, 16:18, 16:18] = 0.9  # 4
    probability[1, 16:18, 10:12] = 0.4
    found = Cut(0.3, 0.1, 0.5).mask(probability)
    assert found[1, 16:18, 16:18].all()
    assert found.sum() == 432 + 4
    probability[1, 16:18, 16:18] = (0.9, 0)  # 2: still an eighth
    assert Cut(0.3, 0.13, 0.5).mask(probability).sum() == 432


def test_what_goes_on_into_unseen_slices_may_be_sure_there() -> None:
    probability = np.zeros((6, 8, 8), np.float32)
    probability[3:, 1:3, 1:3] = 0.4  # goes on beyond the last
    probability[1:3, 6, 6] = 0.4  # ends before it
    cut = Cut(0.3, 0.0, 0.5)
    assert not cut.mask(probability).any()
    np.testing.assert_array_equal(cut.mask(probability, open_slices=[5]), probability * (np.arange(8) < 4) > 0)
    assert cut.mask(probability, open_slices=[0, 2]).sum() == 2
    assert not cut.mask(probability, open_slices=[0]).any(), "nothing touches it"


def test_a_sure_lesion_does_not_become_small_as_the_threshold_comes_down() -> None:
    probability = np.zeros((3, 20, 20), np.float32)
    probability[:, :12, :12] = 0.45
    probability[1, 4:8, 4:8] = 0.9
    probability[1, 16:18, 15:20] = 0.9  # 10 voxels beside 16 that are sure, and 432
    for threshold in (0.3, 0.25, 0.2, 0.1):
        assert Cut(0.3, 0.1, 0.5).mask(probability, threshold)[1, 16:18, 15:20].all()


@given(
    probability=hnp.arrays(np.float32, (4, 5, 6), elements=st.sampled_from(LEVELS)),
    threshold=st.sampled_from([0.05, 0.2, 0.35, 0.5]),
    own=st.sampled_from([0.2, 0.35]),
    min_peak=st.sampled_from([0.0, 0.2, 0.35, 0.5, 0.7]),
)
def test_a_peak_above_the_threshold_is_hysteresis(
    probability: NDArray[np.float32], threshold: float, own: float, min_peak: float
) -> None:
    low, high = probability > threshold, probability > max(threshold, min_peak * min(1, threshold / own))
    expected = ndimage.binary_propagation(high, np.ones((3, 3, 3)), mask=low)
    np.testing.assert_array_equal(Cut(own, 0.0, min_peak).mask(probability, threshold), expected)
