from __future__ import annotations

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.viewer.measure import MOST_LESIONS, Measurement, fingerprint, measure, millilitres


@pytest.fixture
def big_case() -> Case:
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    return Case.from_arrays("big", np.ones((4, 40, 50, 12)), affine)


def test_lesions_are_measured_where_they_lie(big_case: Case) -> None:
    mask = np.zeros(big_case.grid.shape, np.uint8)
    mask[2:5, 10:20, 30:40] = 1
    mask[9, 40:42, 3:5] = 4
    probability = np.where(mask > 0, 0.75, 0.1).astype(np.float32)
    measured = measure(mask, big_case, probability)
    large, small = measured.lesions
    voxel = 2 * 2 * 5 / 1000
    assert measured.count == 2
    assert measured.total_ml == pytest.approx(304 * voxel)
    assert (large.volume_ml, small.volume_ml) == pytest.approx((300 * voxel, 4 * voxel))
    assert (large.slices, small.slices) == ((2, 4), (9, 9))
    assert large.centroid == pytest.approx((3, 14.5, 34.5))
    assert small.centroid == pytest.approx((9, 40.5, 3.5))
    assert large.mean_probability == pytest.approx(0.75)


def test_no_lesion(big_case: Case) -> None:
    assert measure(np.zeros(big_case.grid.shape, np.uint8), big_case, None) == Measurement(0.0, 0, [])


def test_of_thousands_only_the_largest_are_described(big_case: Case) -> None:
    mask = np.zeros(big_case.grid.shape, np.uint8)
    mask[::2, ::2, ::2] = 1
    mask[4, 20:22, 20:23] = 1
    measured = measure(mask, big_case, None)
    assert measured.count > 2000
    assert len(measured.lesions) <= MOST_LESIONS
    assert measured.lesions[0].slices == (4, 4)
    assert measured.total_ml == pytest.approx(np.count_nonzero(mask) * 0.02)
    assert measured.lesions[0].mean_probability is None


@pytest.mark.parametrize(
    ("measurement", "words"),
    [
        (Measurement(0.0, 0, []), "No lesion"),
        (Measurement(3.456, 1, []), "1 lesion, 3.46 mL"),
        (Measurement(34.56, 3, []), "3 lesions, 34.6 mL"),
    ],
)
def test_summary(measurement: Measurement, words: str) -> None:
    assert measurement.summary == words


def test_volumes_in_words() -> None:
    assert [millilitres(volume) for volume in (0.004, 9.994, 10.04)] == ["0.00", "9.99", "10.0"]


def test_a_fingerprint_tells_one_changed_voxel() -> None:
    mask = np.zeros((4, 5, 6), np.uint8)
    before = fingerprint(mask)
    assert fingerprint(mask.copy()) == before
    mask[3, 4, 5] = 1
    assert fingerprint(mask) != before
