from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from napari_ddmd.case.guards.orientation import UPRIGHT, _freed, find_turned, turn_fits
from tests.case.guards.conftest import Images, sample_of


def test_a_brain_that_lies_right_fits_best_as_it_is(brain: Images) -> None:
    fits = turn_fits(sample_of(brain))

    assert max(fits, key=lambda turn: fits[turn]) == UPRIGHT
    assert len(fits) == 24
    assert all(-1 <= fit <= 1 for fit in fits.values())


@pytest.mark.fault("Wrong use", count=23)
def test_every_turn_by_right_angles_is_undone(brain: Images) -> None:
    """All 24, each as what it is: turned back, the brain fits as well as it did."""
    upright = turn_fits(sample_of(brain))[UPRIGHT]
    for turn in turn_fits(sample_of(brain)):
        axes = np.argsort(turn.axes)
        flips = [turn.signs[axis] for axis in axes]
        turned = np.stack([np.transpose(image, axes)[tuple(slice(None, None, s) for s in flips)] for image in brain])
        fits = turn_fits(sample_of(turned))

        assert fits[turn] == pytest.approx(upright, abs=1e-3)
        assert max(fits, key=lambda found: fits[found]) == turn
        assert bool(find_turned(sample_of(turned))) == (turn != UPRIGHT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda images: images[:, ::-1], "its top points down;"),
        (lambda images: images[:, :, ::-1], "its front points backward;"),
        (lambda images: np.rot90(images, 2, (1, 2)), "its top points down and its front points backward;"),
        # Row 0, the front, becomes the last slice, which is the uppermost: the patient looks up.
        (lambda images: np.rot90(images, 1, (2, 1)), "its top points"),
        (lambda images: np.rot90(images, 1, (2, 3)), "its front points to the"),
    ],
)
def test_it_says_where_top_and_front_point(change: object, words: str, brain: Images) -> None:
    assert callable(change)
    (found,) = find_turned(sample_of(change(brain)))

    assert words in found.text


def test_left_and_right_cannot_be_told(brain: Images) -> None:
    assert find_turned(sample_of(brain[:, :, :, ::-1])) == []


def test_top_and_front_are_where_they_were_put(brain: Images) -> None:
    """The front of the brain is put to each end of each axis by hand, and the words compared with it."""
    ends = {0: ("down", "up"), 1: ("forward", "backward"), 2: ("to the right", "to the left")}
    for axis, is_far in product(ends, (False, True)):
        others = [other for other in (1, 2) if other != axis] if axis != 0 else [1, 2]
        # The front is the near end of axis H; move that axis to where it should lie.
        axes = [0, 0, 0]
        axes[axis] = 1
        rest = iter((0, 2))
        for other in range(3):
            if other != axis:
                axes[other] = next(rest)
        moved = np.stack([np.transpose(image, axes) for image in brain])
        moved = np.flip(moved, axis + 1) if is_far else moved
        found = find_turned(sample_of(moved))
        says = " ".join(finding.text for finding in found)
        expected = ends[axis][is_far]

        assert others
        assert (f"its front points {expected}" in says) or (expected == "forward" and "its front" not in says)


@pytest.mark.fault("Wrong use")
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slab_of_coarse_voxels_fits_in_no_turn(axis: int) -> None:
    """It falls between the steps at which shapes are compared: nothing is divided by, and nothing said."""
    body = np.ones([1 if other == axis else 9 for other in range(3)], dtype=bool)
    assert np.isfinite(_freed(body, (60.0, 60.0, 60.0))).all()
