from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.editing import gaps_between
from napari_ddmd.editing import interpolate as fill

SPACING = (2.0, 1.0, 1.0)


def interpolate(mask: NDArray[np.bool_], *drawn_and_spacing: Any) -> NDArray[np.bool_]:
    """Fill the gaps between slices that were drawn."""
    *drawn, spacing = drawn_and_spacing
    for gap in gaps_between(mask, drawn, spacing):
        mask = fill(mask, gap, spacing)
    return mask


def disc(radius: float, column: int = 20) -> np.ndarray:
    h, w = np.indices((40, 40))
    return (h - 20) ** 2 + (w - column) ** 2 <= radius**2


def stack(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    mask = np.zeros((9, 40, 40), bool)
    mask[1], mask[7] = first, last
    return mask


def test_a_cone_lies_between_two_discs() -> None:
    filled = interpolate(stack(disc(4), disc(10)), 1, 7, SPACING)
    for index in range(1, 8):
        radius = np.sqrt(filled[index].sum() / np.pi)
        assert abs(radius - (3 + index)) < 0.7
    assert not filled[[0, 8]].any()


def test_shapes_that_do_not_overlap_move_along() -> None:
    filled = interpolate(stack(disc(4, 13), disc(4, 27)), 1, 7, SPACING)
    centres = [np.argwhere(filled[index]).mean(axis=0)[1] for index in range(1, 8)]
    np.testing.assert_allclose(centres, np.linspace(13, 27, 7), atol=0.6)
    assert filled[4].sum() > 0.8 * disc(4).sum()


def test_shapes_at_the_edge_of_the_image_move_as_others_do() -> None:
    mask = np.zeros((9, 10, 60), bool)
    mask[0, 1:9, :10] = mask[8, 1:9, 16:26] = True
    inside = np.pad(mask, ((0, 0), (0, 0), (60, 60)))
    filled = interpolate(mask, 0, 8, (3, 1, 1))
    np.testing.assert_array_equal(filled, interpolate(inside, 0, 8, (3, 1, 1))[:, :, 60:-60])
    assert filled.sum(axis=(1, 2)).tolist() == [80] * 9


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (disc(4, 4), disc(6, 20)),
        (np.ones_like(disc(4)), disc(4)),
    ],
    ids=["apart", "to the edge"],
)
def test_how_large_the_image_is_makes_no_difference(first: NDArray[np.bool_], last: NDArray[np.bool_]) -> None:
    mask = stack(first, last)
    larger = np.pad(mask, ((0, 0), (90, 70), (80, 60)))
    filled = interpolate(larger, 1, 7, (3, 0.9, 1.1))
    np.testing.assert_array_equal(filled[:, 90:-70, 80:-60], interpolate(mask, 1, 7, (3, 0.9, 1.1)))
    assert filled.sum() == filled[:, 90:-70, 80:-60].sum()


def test_the_old_middle_is_replaced_and_other_lesions_stay() -> None:
    mask = stack(disc(4), disc(4))
    mask[2] = disc(12)
    mask[4, 2:4, 2:4] = True
    before = mask.copy()
    filled = interpolate(mask, 1, 7, SPACING)
    np.testing.assert_array_equal(mask, before)
    assert abs(int(filled[2].sum()) - int(disc(4).sum())) < 6
    assert filled[4, 2:4, 2:4].all()
    assert not filled[3, 2:4, 2:4].any()


def test_without_two_shapes_nothing_is_done() -> None:
    mask = stack(disc(4), np.zeros_like(disc(4)))
    np.testing.assert_array_equal(interpolate(mask, 1, 7, SPACING), mask)
    np.testing.assert_array_equal(interpolate(mask, 1, 2, SPACING), mask)


def test_two_lesions_that_lie_far_apart_are_not_joined() -> None:
    """A bridge was drawn from one to the other, and what the model had between was gone."""
    mask = np.zeros((60, 80, 80), bool)
    mask[10:25, 10:20, 10:20] = True
    mask[40:55, 60:70, 60:70] = True
    np.testing.assert_array_equal(interpolate(mask, 20, 45, (1, 1, 1)), mask)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 0.5, 0.8)])
def test_each_shape_moves_by_itself(spacing: tuple[float, ...]) -> None:
    mask = np.zeros((9, 40, 40), bool)
    mask[1, 2:8, 2:8] = mask[1, 30:36, 30:36] = True
    mask[7, 2:8, 10:16] = mask[7, 30:36, 20:26] = True
    filled = interpolate(mask, 1, 7, spacing)
    for half, columns in ((slice(0, 20), (4.5, 12.5)), (slice(20, 40), (32.5, 22.5))):
        one = np.zeros_like(mask)
        one[:, half] = mask[:, half]
        np.testing.assert_array_equal(filled[:, half], interpolate(one, 1, 7, spacing)[:, half])
        centres = [np.argwhere(filled[index, half]).mean(axis=0)[1] for index in range(1, 8)]
        np.testing.assert_allclose(centres, np.linspace(*columns, 7), atol=0.6)
    assert filled.sum(axis=(1, 2))[1:8].min() > 50


def test_a_shape_that_falls_apart_turns_into_all_its_parts() -> None:
    mask = stack(disc(9), disc(3, 14) | disc(3, 26))
    assert ndimage.label(interpolate(mask, 1, 7, SPACING)[6])[1] == 2


def test_what_has_no_partner_stays_as_it_is() -> None:
    """Also where it grows together with what has one."""
    mask = stack(disc(4, 10), disc(4, 11))
    mask[1:4, 18:23, 30:35] = True  # ends between the two slices
    mask[3, 20, 10:32] = True
    filled = interpolate(mask, 1, 7, SPACING)
    alone = mask.copy()
    alone[:, :, 21:] = False
    np.testing.assert_array_equal(filled[:, :, :21], interpolate(alone, 1, 7, SPACING)[:, :, :21])
    np.testing.assert_array_equal(filled[:, :, 25:], mask[:, :, 25:])


def test_shapes_look_for_their_partners_past_slices_that_hold_others() -> None:
    """Each has its own gap, and what was drawn within it stays, also where it touches what is filled."""
    first, other, third = (np.zeros((9, 40, 40), bool) for _ in range(3))
    first[[0, 8], 2:10, 2:10] = True
    other[[2, 6], 20:28, 2:10] = True
    third[1:8, 2:10, 24:36] = third[4, 2:10, 10:36] = True
    mask = first | other | third
    gaps = gaps_between(mask, range(9), SPACING)
    assert [(gap.low, gap.high) for gap in gaps] == [(2, 6), (0, 8)]
    filled = interpolate(mask, *range(9), SPACING)
    expected = [interpolate(first, 0, 8, SPACING), interpolate(other, 2, 6, SPACING), third]
    np.testing.assert_array_equal(filled, np.logical_or.reduce(expected))
