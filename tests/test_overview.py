from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

from napari_ddmd.case import Case
from napari_ddmd.overview import overview_slices, save_overview

from .results import finished


@pytest.mark.parametrize("slices", [None, [0]])
def test_the_overview_shows_images_and_outlines(small_case: Case, tmp_path: Path, slices: list[int] | None) -> None:
    volumes = finished(small_case, slices=slices)
    path = save_overview(tmp_path / "overview.png", small_case, volumes, 0.5)
    picture = imread(path)[..., :3].astype(int)

    assert path == tmp_path / "overview.png"
    assert min(picture.shape[:2]) > 100
    yellow = (picture[..., 0] > 180) & (picture[..., 1] > 150) & (picture[..., 2] < 60)
    grey = (np.ptp(picture, axis=-1) < 10) & (picture[..., 0] > 40)
    assert grey.sum() > 1000
    # Slice 0 holds no lesion, so that there is no outline.
    assert (yellow.sum() > 100) == (slices is None)


def test_the_overview_does_without_an_expert_mask_and_without_intra(small_case: Case, tmp_path: Path) -> None:
    whole = save_overview(tmp_path / "a.png", small_case, finished(small_case), 0.5)
    part = save_overview(tmp_path / "b.png", replace(small_case, mask=None), finished(small_case, intra=False), 0.5)

    assert imread(part).shape[1] < imread(whole).shape[1]


def test_slices_are_spread_over_the_lesion_or_else_over_the_run(small_case: Case) -> None:
    volumes = finished(small_case)
    lesion = np.flatnonzero(volumes.mask(0.5).any(axis=(1, 2)))

    assert set(overview_slices(volumes, 0.5)) <= set(lesion.tolist())
    assert overview_slices(volumes, 0.5, rows=1) == [lesion[len(lesion) // 2]]
    assert overview_slices(volumes, 0.99, rows=4) == [1, 3, 5, 7]
    assert overview_slices(volumes, 0.99, rows=50) == list(range(8))
