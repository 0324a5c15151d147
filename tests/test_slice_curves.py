from __future__ import annotations

import numpy as np
import pytest

from napari_ddmd.case import Case
from napari_ddmd.slice_curves import CURVES, slice_curves

from .results import finished


def test_each_slice_has_its_scores_and_the_others_are_gaps(small_case: Case) -> None:
    volumes = finished(small_case, slices=[3, 5])
    curves = slice_curves(small_case, volumes)

    assert tuple(curves) == CURVES
    for curve in curves.values():
        assert curve.shape == (small_case.grid.shape[0],)
        assert np.flatnonzero(~np.isnan(curve)).tolist() == [3, 5]
    assert curves["inter"][[3, 5]].tolist() == [3.0, 5.0]
    assert curves["intra"][[3, 5]].tolist() == [3.5, 5.5]


def test_the_lesion_is_the_expected_area_in_cm2(small_case: Case) -> None:
    volumes = finished(small_case, slices=[4])
    # Three samples of 0.9, 0.8 and 0.7; pixels of 2 mm × 2 mm.
    assert small_case.mask is not None
    area = 0.8 * np.count_nonzero(small_case.mask[4]) * 4 / 100
    assert slice_curves(small_case, volumes)["lesion"][4] == pytest.approx(area)
    assert area > 0


def test_a_modality_has_scores_of_its_own(small_case: Case) -> None:
    curves = slice_curves(small_case, finished(small_case, slices=[3]), "t2")
    assert curves["inter"][3] == 3 + 20.0
    assert curves["intra"][3] == 3 + 20.5


def test_a_model_without_intra_maps_has_no_intra_curve(small_case: Case) -> None:
    volumes = finished(small_case, slices=[3], intra=False)
    for modality in (None, "flair"):
        curves = slice_curves(small_case, volumes, modality)
        assert np.isnan(curves["intra"]).all()
        assert not np.isnan(curves["inter"][3])
