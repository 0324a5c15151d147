from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.results import SliceResult
from napari_ddmd.volumes import Volumes

from .results import slice_result


def test_a_result_lands_on_its_slice_and_nowhere_else(small_case: Case) -> None:
    volumes = Volumes(small_case, 3, intra=True, inter=True)
    result = slice_result(small_case, 3)
    volumes.add(result)

    assert volumes.done == {3}
    assert volumes.probability.shape == small_case.grid.shape
    assert np.array_equal(volumes.probability[3], result.probability)
    assert np.array_equal(volumes.uncertainty[3], result.uncertainty)
    assert volumes.inter is not None
    assert volumes.intra is not None
    assert np.array_equal(volumes.inter[3], result.inter)
    assert np.array_equal(volumes.intra[3], result.intra)
    assert volumes.scores == {3: result.scores}
    rest = np.delete(np.arange(small_case.grid.shape[0]), 3)
    for volume in (volumes.probability, volumes.uncertainty, volumes.inter, volumes.intra):
        assert volume.dtype == np.float32
        assert not volume[rest].any()


def test_many_samples_are_counted_to_the_last(small_case: Case) -> None:
    volumes = Volumes(small_case, 300, intra=True, inter=True)
    volumes.add(SliceResult.of(3, np.ones((300, *small_case.grid.shape[1:]), np.float32)))
    assert (volumes.agreement[3] == 300).all()


def test_samples_are_cut_at_one_half_and_the_mask_where_asked(small_case: Case) -> None:
    volumes = Volumes(small_case, 5, intra=True, inter=True)
    result = slice_result(small_case, 3, samples=5)
    lesion = result.probability > 0
    volumes.add(result)

    assert volumes.samples.dtype == np.uint8
    # The samples are 0.9, 0.8, 0.7, 0.6 and 0.5 in the lesion; one half does not exceed one half.
    assert [bool(sample[3][lesion].all()) for sample in volumes.samples] == [True] * 4 + [False]
    assert not volumes.samples[4].any()
    assert np.array_equal(volumes.agreement[3], 4 * lesion)
    assert np.array_equal(volumes.agreement, volumes.samples.sum(axis=0))
    assert np.array_equal(volumes.mask(0.6)[3], lesion)
    assert not volumes.mask(0.75).any()
    assert volumes.mask(0.5).dtype == np.uint8


def test_a_second_result_replaces_the_first(small_case: Case) -> None:
    volumes = Volumes(small_case, 3, intra=True, inter=True)
    result = slice_result(small_case, 3)
    volumes.add(result)
    result.probability[:] = 0.25
    volumes.add(result)

    assert volumes.done == {3}
    assert (volumes.probability[3] == 0.25).all()


def test_maps_that_a_model_has_not_are_absent(small_case: Case) -> None:
    volumes = Volumes(small_case, 3, intra=False, inter=False)
    volumes.add(slice_result(small_case, 0, intra=False))

    assert volumes.inter is None
    assert volumes.intra is None


def test_small_parts_stay_out_of_the_mask_alone(small_case: Case) -> None:
    volumes = Volumes(small_case, 3, intra=True, inter=True, cut=Cut(min_part=0.2))
    result = slice_result(small_case, 3)
    result.probability[:] = 0
    result.probability[2:6, 2:6] = 0.9
    result.probability[10, 10:13] = 0.9
    volumes.add(result)

    assert volumes.mask().sum() == 16
    assert np.count_nonzero(volumes.probability > 0.5) == 19
    volumes.cut = Cut(min_part=0.1)
    assert volumes.mask().sum() == 19


def test_doubtful_parts_stay_out_of_the_mask_alone(small_case: Case) -> None:
    volumes = Volumes(small_case, 3, intra=True, inter=True, cut=Cut(0.3, 0.0, 0.5))
    result = slice_result(small_case, 3)
    result.probability[:] = 0
    result.probability[2:6, 2:6] = 0.4
    result.probability[10, 10:13] = (0.4, 0.6, 0.4)
    volumes.add(result)
    assert volumes.mask().sum() == 19, "what lies beyond this slice is not known"
    for index in (2, 4):
        volumes.add(replace(result, index=index, probability=np.zeros_like(result.probability)))

    assert volumes.mask()[3, 10, 10:13].all()
    assert volumes.mask().sum() == 3
    assert volumes.mask(0.2).sum() == 19
    assert volumes.cut_out(np.minimum(volumes.probability, 0.4)).sum() == 0
    assert np.count_nonzero(volumes.probability > 0.3) == 19


def test_a_lesion_may_go_on_into_slices_that_hold_brain_alone(small_case: Case) -> None:
    last = small_case.brain_slices[-1]
    volumes = Volumes(small_case, 3, intra=True, inter=True, cut=Cut(0.3, 0.0, 0.5))
    result = slice_result(small_case, last)
    result.probability[:] = 0.4
    volumes.add(result)
    assert volumes.mask().any()
    volumes.add(replace(result, index=last - 1, probability=np.zeros_like(result.probability)))
    assert last + 1 < len(small_case.brain)
    assert not volumes.mask().any()


def test_some_slices_alone_are_as_if_nothing_was_said_of_the_others(small_case: Case) -> None:
    volumes, part_alone = (Volumes(small_case, 3, intra=True, inter=True, cut=Cut(0.4, 0.1)) for _ in range(2))
    for index in (3, 4, 5):
        volumes.add(slice_result(small_case, index))
    part_alone.add(slice_result(small_case, 4))
    volumes.note_device("cpu")
    volumes.add(slice_result(small_case, 5, evened=("flair",)))
    part = volumes.only({4, 7})
    assert (part.done, part.scores, part.devices, part.cut) == ({4}, part_alone.scores, ("cpu",), Cut(0.4, 0.1))
    for name in ("probability", "uncertainty", "inter", "intra", "samples", "agreement"):
        np.testing.assert_array_equal(getattr(part, name), getattr(part_alone, name))
    assert volumes.done == {3, 4, 5}
    assert (part.evened, volumes.evened) == (("flair",), ("flair",))
    assert volumes.probability[3].any()
