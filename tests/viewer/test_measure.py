from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.editing import Numbering
from napari_ddmd.lesions import find_lesions
from napari_ddmd.viewer.measure import MOST_LESIONS, Measurement, fingerprint, measure
from tests.results import finished


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


def test_uncertainty_and_scores_are_those_of_the_lesions_place(case: Case) -> None:
    volumes = finished(case, slices=[3, 4])
    assert case.mask is not None
    measured = measure(case.mask, case, None, uncertainty=volumes.uncertainty, scores=volumes.scores)
    (lesion,) = find_lesions(case.mask, case.spacing, uncertainty=volumes.uncertainty, scores=volumes.scores)[1]
    assert measured.lesions == [lesion]
    assert lesion.modality_scores is not None
    assert lesion.modality_scores["t1"] == 3.5


def test_a_lesion_is_found_voxel_for_voxel(big_case: Case) -> None:
    mask = np.zeros(big_case.grid.shape, np.uint8)
    mask[2:5, 10:20, 30:40] = 1
    mask[9, 39:40, 3:5] = 4
    measured = measure(mask, big_case, None)
    mask[measured.voxels_of(1)] = 0
    assert np.argwhere(mask).tolist() == [[9, 39, 3], [9, 39, 4]]
    mask[measured.voxels_of(2)] = 0
    assert not mask.any()
    for nobody in (0, -1, 3):
        assert [len(axis) for axis in measured.voxels_of(nobody)] == [0, 0, 0]
    assert len(Measurement(0.0, 0, []).voxels_of(1)[0]) == 0


def boxes(case: Case, *places: tuple[slice, slice, slice]) -> Measurement:
    mask = np.zeros(case.grid.shape, np.uint8)
    for place in places:
        mask[place] = 1
    return measure(mask, case, None)


def test_a_lesion_that_is_numbered_anew_is_found_again_by_its_voxels(big_case: Case) -> None:
    small, large, there = np.s_[9:10, 39:42, 3:5], np.s_[2:5, 10:20, 30:40], np.s_[9:11, 30:45, 2:20]
    before = boxes(big_case, small, large)
    assert [boxes(big_case, large, there).number_of(number, before) for number in (1, 2, 3)] == [2, 1, 0]
    assert [boxes(big_case, small).number_of(number, before) for number in (1, 2)] == [0, 1]
    assert boxes(big_case).number_of(1, before) == 0
    assert before.number_of(1, boxes(big_case)) == 0
    whole = boxes(big_case, np.s_[2:10, 10:42, 3:40])
    assert [whole.number_of(number, before) for number in (1, 2)] == [1, 0], "it is the larger one, swollen"
    assert [before.number_of(1, whole), before.number_of(2, whole)] == [1, 0]


def test_a_lesion_keeps_its_number_by_the_same_numbering(big_case: Case) -> None:
    before = boxes(big_case, np.s_[2:5, 10:20, 30:40], np.s_[9:10, 39:42, 3:5])
    by_one, by_other = Numbering(big_case.grid.shape), Numbering(big_case.grid.shape)
    # Of two that have met, the number says which one is left.
    met = dataclasses.replace(boxes(big_case, np.s_[2:10, 10:42, 3:40]), numbering=by_one)
    (lesion,) = met.lesions
    met.lesions[:] = [dataclasses.replace(lesion, label=2)]
    assert [met.number_of(number, dataclasses.replace(before, numbering=by_one)) for number in (1, 2)] == [0, 2]
    assert met.number_of(1, dataclasses.replace(before, numbering=by_other)) == 1


def test_a_voxel_tells_its_lesion(big_case: Case) -> None:
    mask = np.zeros(big_case.grid.shape, np.uint8)
    mask[2:5, 10:20, 30:40] = 1
    mask[9, 40:42, 3:5] = 4
    measured = measure(mask, big_case, None)
    found = {
        voxel: measured.lesion_at(voxel) for voxel in ((3, 12, 35), (9, 41, 4), (3, 41, 4), (0, 0, 0), (11, 49, 39))
    }
    assert list(found.values()) == [1, 2, 0, 0, 0]
    assert measure(np.zeros_like(mask), big_case, None).lesion_at((3, 12, 35)) == 0


def test_the_diameter_lies_where_the_lesion_does(big_case: Case) -> None:
    mask = np.zeros(big_case.grid.shape, np.uint8)
    mask[6, 10:12, 20:30] = 1
    mask[7, 10, 20:35] = 1
    (lesion,) = measure(mask, big_case, None).lesions
    assert lesion.diameter_slice == 7
    assert lesion.longest_diameter_mm == pytest.approx(15 * big_case.spacing[2])


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


def test_a_fingerprint_tells_one_changed_voxel() -> None:
    mask = np.zeros((4, 5, 6), np.uint8)
    before = fingerprint(mask)
    assert fingerprint(mask.copy()) == before
    mask[3, 4, 5] = 1
    assert fingerprint(mask) != before
