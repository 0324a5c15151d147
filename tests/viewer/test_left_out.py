from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.viewer.left_out import LeftOut, left_out, take_in
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from tests.results import slice_result
from tests.viewer.conftest import AllAtOnce


def run(viewer: ViewerModel, case: Case, cut: Cut, *, end: bool = True) -> ResultLayers:
    """A large part on slices 2 and 3, a small one of 0.7 on slice 3, and one more on slice 6 that is doubtful."""
    results = AllAtOnce(viewer, case)
    results.begin()
    for index in (2, 3, 4, 5, 6):
        probability = np.zeros(case.grid.shape[1:], np.float32)
        if index in (2, 3):
            probability[4:12, 4:12] = 0.9
        if index == 3:
            probability[20, 18:20] = 0.7
        if index == 6:
            probability[4:12, 14:22] = 0.55
        results.add(
            Recipe(case, "0" * 64, Sampling(samples=3), cut=cut),
            dataclasses.replace(slice_result(case, index), probability=probability),
        )
    if end:
        results.settle()
    return results


@pytest.mark.parametrize(
    ("cut", "voxels"), [(Cut(min_part=0.1), 2), (Cut(0.5, min_peak=0.6), 64), (Cut(0.5, 0.1, 0.6), 66)]
)
def test_small_and_doubtful_parts_are_counted(viewer: ViewerModel, case: Case, cut: Cut, voxels: int) -> None:
    found = left_out(run(viewer, case, cut), case)
    assert found is not None
    assert found.count == 1 + (voxels == 66)
    assert np.count_nonzero(found.place) == voxels
    assert found.volume_ml == pytest.approx(voxels * np.prod(case.spacing) / 1000)


def test_it_is_told_in_words(case: Case) -> None:
    nowhere = np.zeros(case.grid.shape, np.bool_)
    assert str(LeftOut(1, 0.314, nowhere)) == "1 part (0.31 mL) left out: small or doubtful"
    assert str(LeftOut(2, 12.34, nowhere)) == "2 parts (12.3 mL) left out: small or doubtful"


def test_nothing_is_left_out_where_all_is_kept_or_a_run_is_on(viewer: ViewerModel, case: Case) -> None:
    assert left_out(AllAtOnce(viewer, case), case) is None
    assert left_out(run(viewer, case, Cut()), case) is None
    assert left_out(run(viewer, case, Cut(min_part=0.1), end=False), case) is None


def test_a_higher_threshold_leaves_less_out(viewer: ViewerModel, case: Case) -> None:
    results = run(viewer, case, Cut(min_part=0.1))
    results.set_threshold(0.8)
    assert left_out(results, case) is None


def test_what_is_taken_in_is_an_edit_that_undo_takes_out(viewer: ViewerModel, case: Case) -> None:
    results = run(viewer, case, Cut(min_part=0.1))
    before = results.lesion.data.copy()
    take_in(results, case)
    assert np.argwhere(results.lesion.data != before).tolist() == [[3, 20, 18], [3, 20, 19]]
    assert results.lesion.edited_slices == [3]
    assert left_out(results, case) is None, "of an edited slice the reader has decided"
    results.lesion.undo()
    np.testing.assert_array_equal(results.lesion.data, before)
    assert left_out(results, case) is not None


def test_what_was_taken_back_is_left_out_of_nothing(viewer: ViewerModel, case: Case) -> None:
    results = run(viewer, case, Cut(min_part=0.1))
    results.lesion.undo()
    assert not results.done
    assert left_out(results, case) is None
