from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_ddmd.editing import fill_holes, smooth

SPACING = (3.0, 1.0, 1.0)


def rough() -> np.ndarray:
    s, h, w = np.indices((8, 40, 40))
    ball = ((s - 4) * 3) ** 2 + (h - 20) ** 2 + (w - 20) ** 2 < 81
    return ball ^ (ndimage.binary_dilation(ball) & (np.random.default_rng(0).random(ball.shape) > 0.7))


def border(mask: np.ndarray) -> int:
    return sum(int(np.count_nonzero(np.diff(mask.astype(int), axis=axis))) for axis in range(3))


def test_the_outline_is_smoother_and_the_volume_stays() -> None:
    mask = rough()
    smoothed = smooth(mask, SPACING, np.ones_like(mask))
    assert smoothed.sum() == mask.sum()
    assert border(smoothed) < 0.7 * border(mask)


def test_small_lesions_stay_and_give_nothing_to_others() -> None:
    mask = np.zeros((8, 40, 40), bool)
    mask[2:6, 5:20, 5:20] = True
    mask[3, 34, 34] = True
    smoothed = smooth(mask, SPACING, np.ones_like(mask))
    assert smoothed[:, 30:, 30:].sum() == 1
    assert smoothed[:, :30, :30].sum() == mask[:, :30, :30].sum()


@pytest.mark.parametrize("spacing", [(5.5, 0.5, 0.5), (1, 0.5, 2), (1, 1, 1)])
def test_lesions_that_lie_near_each_other_keep_their_volume(spacing: tuple[float, ...]) -> None:
    mask = np.zeros((20, 60, 60), bool)
    mask[5:15, 20:40, 20:40] = True
    mask[5:15, 41:43, 20:40] = True
    smoothed = smooth(mask, spacing, np.ones_like(mask))
    assert smoothed.sum() == mask.sum()
    assert ndimage.label(smoothed, structure=np.ones((3, 3, 3)))[1] == 2


def test_nothing_is_added_outside_the_brain() -> None:
    mask = np.zeros((1, 30, 30), bool)
    mask[0, 10, 5:25] = mask[0, 11:20, 10:20] = True
    brain = np.zeros_like(mask)
    brain[0, 10:] = True
    smoothed = smooth(mask, SPACING, brain)
    assert not smoothed[0, :10].any()
    assert smoothed.sum() == mask.sum()
    assert not np.array_equal(smoothed, mask)


def test_one_slice_is_smoothed_by_itself() -> None:
    mask = rough()
    alone = smooth(mask[4:5], SPACING, np.ones_like(mask[4:5]))
    assert alone.sum() == mask[4].sum()
    assert border(alone) < border(mask[4:5])


def test_an_empty_mask_stays_empty() -> None:
    empty = np.zeros((3, 5, 5), bool)
    assert not smooth(empty, SPACING, ~empty).any()
    assert not fill_holes(empty).any()


def test_holes_are_filled_slice_by_slice() -> None:
    mask = np.zeros((3, 9, 9), bool)
    mask[:, 2:7, 2:7] = True
    mask[:, 4, 4] = False  # a tunnel: open to the top, and closed in every slice
    mask[0, 4, 2:5] = False  # a bay is no hole
    filled = fill_holes(mask)
    assert filled[1:, 2:7, 2:7].all()
    assert not filled[0, 4, 4]
