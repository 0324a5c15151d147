from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_ddmd.lesions import find_lesions, lesion_volume_ml
from napari_ddmd.model import DiscrepancyScores

SPACING = (3.0, 2.0, 1.0)


def three_lesions() -> np.ndarray:
    mask = np.zeros((6, 10, 12), np.uint8)
    mask[0, 0, 0] = 1
    mask[1:3, 2:4, 2:5] = 4
    mask[4:6, 5:9, 5:11] = 2
    return mask


def test_lesions_are_measured_and_sorted_by_size() -> None:
    probability = np.zeros((6, 10, 12), np.float32)
    probability[4, 5:9, 5:11] = 1.0
    labels, lesions = find_lesions(three_lesions(), SPACING, probability)

    assert [lesion.label for lesion in lesions] == [1, 2, 3]
    assert [lesion.volume_ml for lesion in lesions] == pytest.approx([48 * 0.006, 12 * 0.006, 0.006])
    assert [lesion.slices for lesion in lesions] == [(4, 5), (1, 2), (0, 0)]
    assert lesions[0].centroid == (4.5, 6.5, 7.5)
    assert [lesion.mean_probability for lesion in lesions] == [0.5, 0.0, 0.0]
    assert labels.dtype == np.int32
    assert np.array_equal(labels == 1, three_lesions() == 2)
    assert np.array_equal(labels == 3, three_lesions() == 1)


def test_voxels_that_touch_by_a_corner_are_one_lesion() -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True

    assert len(find_lesions(mask, SPACING)[1]) == 1


def test_an_empty_mask_has_no_lesion() -> None:
    labels, lesions = find_lesions(np.zeros((2, 3, 4)), SPACING, np.zeros((2, 3, 4), np.float32))

    assert lesions == []
    assert labels.shape == (2, 3, 4)
    assert not labels.any()


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)))
def test_lesions_partition_the_mask(mask: np.ndarray) -> None:
    labels, lesions = find_lesions(mask, SPACING)

    assert len(lesions) == ndimage.label(mask, np.ones((3, 3, 3)))[1]
    assert np.array_equal(labels > 0, mask)
    volumes = [lesion.volume_ml for lesion in lesions]
    assert volumes == sorted(volumes, reverse=True)
    assert sum(volumes) == pytest.approx(lesion_volume_ml(mask, SPACING))
    for lesion in lesions:
        slices = np.flatnonzero((labels == lesion.label).any(axis=(1, 2)))
        assert lesion.slices == (slices[0], slices[-1])


def scores(t1: float, flair: float) -> DiscrepancyScores:
    rows: dict[str, dict[str, float | None]] = {
        "t1": {"inter": t1, "intra": None},
        "flair": {"inter": flair, "intra": None},
    }
    return DiscrepancyScores(inter=0.0, intra=None, per_modality=rows)


def test_each_lesion_has_its_diameter_uncertainty_and_scores() -> None:
    uncertainty = np.zeros((6, 10, 12), np.float32)
    uncertainty[5, 5:9, 5:11] = 0.5
    by_slice = {4: scores(1.0, 10.0), 5: scores(2.0, 30.0), 1: scores(7.0, 8.0)}
    _labels, (large, middle, small) = find_lesions(three_lesions(), SPACING, uncertainty=uncertainty, scores=by_slice)

    # 4 rows of 2 mm, 6 columns of 1 mm: from the outer side of one corner's voxel to that of the other's.
    assert large.longest_diameter_mm == pytest.approx(np.hypot(8, 5))
    assert (large.diameter_slice, middle.diameter_slice, small.diameter_slice) == (4, 1, 0)
    assert small.longest_diameter_mm == pytest.approx(2.0)
    assert (large.mean_uncertainty, middle.mean_uncertainty) == (0.25, 0.0)
    assert large.mean_probability is None
    assert large.modality_scores == {"t1": 1.5, "flair": 20.0}
    assert middle.modality_scores == {"t1": 7.0, "flair": 8.0}  # slice 2 has not been segmented
    assert small.modality_scores is None


def test_without_a_run_nothing_is_said_of_it() -> None:
    lesion = find_lesions(three_lesions(), SPACING)[1][0]
    assert lesion.mean_uncertainty is None
    assert lesion.modality_scores is None
    assert find_lesions(three_lesions(), SPACING, scores={})[1][0].modality_scores is None
