"""Figures against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from src_training import metrics
from src_training.metrics import Confusion

SHAPE = (4, 6, 5)
Mask = NDArray[np.bool_]


def empty() -> Mask:
    return np.zeros(SHAPE, bool)


def full() -> Mask:
    return np.ones(SHAPE, bool)


def pixel(*where: int) -> Mask:
    mask = empty()
    mask[where] = True
    return mask


@pytest.mark.parametrize(
    ("predicted", "lesion", "dice", "iou", "miou", "accuracy", "class_accuracy"),
    [
        (empty(), empty(), 1, 1, 1, 1, 1),
        (full(), full(), 1, 1, 1, 1, 1),
        (full(), empty(), 0, 0, 0, 0, 0.5),
        (empty(), full(), 0, 0, 0, 0, 0.5),
        (pixel(1, 2, 3), pixel(1, 2, 3), 1, 1, 1, 1, 1),
        (pixel(1, 2, 3), empty(), 0, 0, 119 / 240, 119 / 120, (1 + 119 / 120) / 2),
        (empty(), pixel(1, 2, 3), 0, 0, 119 / 240, 119 / 120, 0.5),
        (pixel(0, 0, 0), pixel(1, 2, 3), 0, 0, 118 / 240, 118 / 120, 118 / 119 / 2),
        (pixel(1, 2), pixel(1, 2, 3), 2 / 6, 1 / 5, (1 / 5 + 115 / 119) / 2, 116 / 120, (1 + 115 / 119) / 2),
    ],
)
def test_pixels_are_counted(
    predicted: Mask, lesion: Mask, dice: float, iou: float, miou: float, accuracy: float, class_accuracy: float
) -> None:
    confusion = Confusion.of(predicted, lesion)

    assert metrics.dice(predicted, lesion) == confusion.dice == pytest.approx(dice)
    assert confusion.iou_foreground == pytest.approx(iou)
    assert confusion.miou == pytest.approx(miou)
    assert confusion.pixel_accuracy == pytest.approx(accuracy)
    assert confusion.class_accuracy == pytest.approx(class_accuracy)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), other=st.floats(0, 1))
def test_confusions_are_counts_and_add_up(seed: int, share: float, other: float) -> None:
    draw = np.random.default_rng(seed)
    predicted, lesion = draw.random(SHAPE) < share, draw.random(SHAPE) < other
    whole = Confusion.of(predicted, lesion)

    assert whole == Confusion.of(predicted[:1], lesion[:1]) + Confusion.of(predicted[1:], lesion[1:])
    assert whole.true_positive == np.sum(predicted & lesion)
    assert whole.false_positive == np.sum(predicted & ~lesion)
    assert whole.false_negative == np.sum(~predicted & lesion)
    assert whole.true_negative == np.sum(~predicted & ~lesion)


def test_slices_are_judged_one_by_one() -> None:
    predicted, lesion = empty(), empty()
    predicted[1], lesion[1] = True, True
    predicted[2, 0, 0] = True
    lesion[3] = True

    dices = metrics.slice_dices(predicted, lesion, np.array([0, 1, 2, 3]))
    assert dices.tolist() == [1, 1, 0, 0]
    assert metrics.slice_dices(predicted, lesion, np.array([3, 1])).tolist() == [0, 1]
    assert metrics.healthy_false_positive_rate(predicted, lesion, np.array([0, 1, 2, 3])) == 0.5
    assert metrics.healthy_false_positive_rate(predicted, lesion, np.array([0, 1, 3])) == 0
    assert np.isnan(metrics.healthy_false_positive_rate(predicted, lesion, np.array([1, 3])))


@pytest.mark.parametrize(("axis", "voxels"), [(0, 3), (1, 2), (2, 4)])
def test_a_shifted_plate_is_as_far_as_it_was_shifted(axis: int, voxels: int) -> None:
    spacing = (3.0, 0.5, 1.25)
    lesion = np.zeros((12, 12, 12), bool)
    plate = [slice(2, 10)] * 3
    plate[axis] = slice(5, 6)
    lesion[tuple(plate)] = True

    assert metrics.hd95(np.roll(lesion, voxels, axis), lesion, spacing) == pytest.approx(voxels * spacing[axis])
    assert metrics.hd95(lesion, np.roll(lesion, voxels, axis), spacing) == pytest.approx(voxels * spacing[axis])


def surface(mask: Mask, spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    return np.argwhere(mask & ~ndimage.binary_erosion(mask)) * np.array(spacing)


@pytest.mark.parametrize("seed", range(3))
def test_hd95_is_that_of_all_pairs_of_surface_voxels(seed: int) -> None:
    draw, spacing = np.random.default_rng(seed), (2.5, 1.0, 0.8)
    predicted, lesion = (ndimage.gaussian_filter(draw.random((9, 14, 16)), 2) > 0.502 for _ in range(2))
    distances = cdist(surface(predicted, spacing), surface(lesion, spacing))
    expected = max(np.percentile(distances.min(axis=axis), 95) for axis in (0, 1))

    assert metrics.hd95(predicted, lesion, spacing) == pytest.approx(expected, rel=1e-5)


def test_hd95_of_equal_masks_is_zero_and_of_empty_ones_undefined() -> None:
    one = pixel(1, 2, 3)

    assert metrics.hd95(one, one, (1, 1, 1)) == 0
    assert metrics.hd95(full(), full(), (1, 1, 1)) == 0
    assert metrics.hd95(one, pixel(1, 2, 0), (1, 1, 2)) == 6
    for predicted, lesion in ((empty(), one), (one, empty()), (empty(), empty())):
        assert np.isnan(metrics.hd95(predicted, lesion, (1, 1, 1)))


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    labels = np.array([True, True, False, False])

    assert metrics.auroc(np.array([4.0, 3, 2, 1]), labels) == 1
    assert metrics.auroc(np.array([1.0, 2, 3, 4]), labels) == 0
    assert metrics.auroc(np.array([4.0, 2, 3, 2]), labels) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert np.isnan(metrics.auroc(np.ones(4), np.ones(4, bool)))
    assert np.isnan(metrics.auroc(np.ones(4), np.zeros(4, bool)))


def test_height_alone_gains_nothing_where_heights_are_matched() -> None:
    """Lesions are frequent in the middle of the brain; one score knows the middle, the other the lesion."""
    sick, well = (1, 8, 8, 1), (9, 2, 2, 9)
    heights = np.concatenate(
        [np.full(s + w, 20.0 * place) for place, (s, w) in enumerate(zip(sick, well, strict=True))]
    )
    labels = np.concatenate([[True] * s + [False] * w for s, w in zip(sick, well, strict=True)])
    middle = -np.abs(heights - 30)

    assert metrics.auroc(middle, labels) > 0.8
    assert metrics.height_matched_auroc(middle, labels, heights) == 0.5
    assert metrics.height_matched_auroc(middle + labels, labels, heights) == 1
    assert metrics.height_matched_auroc(middle - labels, labels, heights) == 0


def test_only_slices_of_about_one_height_are_compared() -> None:
    scores, labels = np.array([5.0, 1, 9, 5]), np.array([True, False, False, False])
    heights = np.array([0.0, 4, 6, -5])

    assert metrics.height_matched_auroc(scores, labels, heights) == pytest.approx(0.75)
    assert metrics.height_matched_auroc(scores, labels, heights, tolerance=4) == 1
    assert metrics.height_matched_auroc(scores, labels, heights, tolerance=6) == pytest.approx(0.5)
    assert np.isnan(metrics.height_matched_auroc(scores, labels, heights, tolerance=3))
    constant = metrics.height_matched_auroc(np.zeros(4), labels, heights)
    assert constant == 0.5


def test_calibration_of_stated_probabilities() -> None:
    half = empty()
    half[:2] = True
    probability = np.full(SHAPE, 0.5, np.float32)

    assert metrics.expected_calibration_error(probability, half, full()) == pytest.approx(0)
    assert metrics.expected_calibration_error(probability, full(), full()) == pytest.approx(0.5)
    assert metrics.expected_calibration_error(half.astype(np.float32), half, full()) == 0
    assert metrics.expected_calibration_error(half.astype(np.float32), ~half, full()) == 1
    mixed = np.where(half, np.float32(0.9), np.float32(0.2))
    assert metrics.expected_calibration_error(mixed, half, full()) == pytest.approx((0.1 + 0.2) / 2)
    # Outside the brain nothing counts.
    assert metrics.expected_calibration_error(mixed, half, half) == pytest.approx(0.1)


def test_errors_of_different_bins_do_not_cancel_but_those_of_one_do() -> None:
    lesion = np.array([True, False])
    everywhere = np.ones(2, bool)

    assert metrics.expected_calibration_error(np.array([0.0, 1.0]), lesion, everywhere) == 1
    assert metrics.expected_calibration_error(np.array([0.0, 1.0]), lesion, everywhere, bins=1) == 0


def test_the_bootstrap_is_about_the_mean_of_patients() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 40)
    low, high = metrics.bootstrap_interval(values)
    error = 1.96 * values.std() / np.sqrt(40)

    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.003)
    assert metrics.bootstrap_interval(values) == (low, high)
    assert metrics.bootstrap_interval(np.array([0.7])) == (0.7, 0.7)
    narrow = metrics.bootstrap_interval(values, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_equal_patients_leave_no_doubt_of_their_mean() -> None:
    assert metrics.bootstrap_interval(np.full(9, 0.25)) == (0.25, 0.25)


def test_the_bootstrap_contains_the_mean_and_is_seeded() -> None:
    values = np.array([0.1, 0.9, 0.4, 0.8])
    low, high = metrics.bootstrap_interval(values, draws=500, seed=3)

    assert values.min() <= low < values.mean() < high <= values.max()
    assert metrics.bootstrap_interval(values, draws=500, seed=3) == (low, high)
    assert metrics.bootstrap_interval(values, draws=500, seed=4) != (low, high)


def test_the_surest_voxels_are_wrong_least() -> None:
    uncertainty = np.array([0.0, 0.1, 0.9, 1.0])
    wrong = np.array([False, False, True, False])
    voxels, errors = metrics.errors_by_uncertainty(uncertainty, wrong, np.ones(4, bool))
    risk = metrics.risk_coverage(voxels, errors, np.array([0.5, 0.75, 1.0]))

    assert (voxels.sum(), errors.sum()) == (4, 1)
    assert risk == pytest.approx([0.0, 1 / 3, 1 / 4])
    assert metrics.error_detection_auroc(voxels, errors) == pytest.approx(2 / 3)
    assert np.isnan(metrics.error_detection_auroc(voxels, np.zeros_like(errors)))
    assert np.isnan(metrics.risk_coverage(voxels * 0, errors * 0, np.array([1.0]))).all()


@given(st.integers(0, 2**32 - 1))
def test_the_uncertainty_s_auroc_is_that_of_its_bins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    uncertainty, wrong = rng.integers(0, 20, 60) / 20 + 0.01, rng.random(60) < 0.4
    if wrong.all() or not wrong.any():
        return
    counts = metrics.errors_by_uncertainty(uncertainty, wrong, np.ones(60, bool))
    assert metrics.error_detection_auroc(*counts) == pytest.approx(metrics.auroc(uncertainty, wrong))


def test_samples_are_compared_with_each_other_and_with_the_expert() -> None:
    lesion = np.array([[[True, True, False, False]]])
    samples = np.array([[[[1, 1, 0, 0]]], [[[1, 0, 0, 0]]]], np.uint8)
    between, to_expert = metrics.sample_spread(samples, lesion)

    assert between == pytest.approx(1 / 3)
    assert to_expert == pytest.approx(1 / 6)
    assert np.isnan(metrics.sample_spread(samples[:1], lesion)[0])


def test_calibration_counts_add_up_to_the_error() -> None:
    probability, lesion = np.array([0.1, 0.9, 0.8]), np.array([False, True, False])
    counts = metrics.calibration(probability, lesion, np.ones(3, bool), bins=2)

    assert counts == {"voxels": [1, 2], "stated": pytest.approx([0.1, 1.7]), "lesion": [0.0, 1.0]}
    error = metrics.expected_calibration_error(probability, lesion, np.ones(3, bool), bins=2)
    assert error == pytest.approx((0.1 + 0.7) / 3)
