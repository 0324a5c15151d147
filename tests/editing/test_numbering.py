from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.editing import Numbering

SHAPE = (4, 20, 20)


def found(mask: np.ndarray) -> np.ndarray:
    """Labels by size, as they are measured."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.zeros(count + 1, np.int32)
    order[np.argsort(-sizes, kind="stable") + 1] = np.arange(1, count + 1)
    return order[labels].astype(np.int32)


def boxes(large: bool = True) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[1:3, 1:6, 1:6] = large
    mask[2, 10:13, 10:13] = True
    mask[0, 16:18, 1:3] = True
    return mask


def numbers(numbering: Numbering, mask: np.ndarray) -> np.ndarray:
    labels = found(mask)
    return numbering.number(labels)[labels]


def test_at_first_the_largest_is_one() -> None:
    labels = found(boxes())
    assert Numbering(SHAPE).number(labels).tolist() == [0, 1, 2, 3]


def test_a_lesion_keeps_its_number_when_it_becomes_the_largest() -> None:
    numbering = Numbering(SHAPE)
    numbers(numbering, boxes())
    mask = boxes()
    mask[2, 8:16, 8:18] = True
    mask[1:3, 1:6, 3:6] = False
    now = numbers(numbering, mask)
    assert (now[2, 11, 11], now[1, 1, 1], now[0, 16, 1]) == (2, 1, 3)


def test_a_number_is_not_given_again_and_comes_back_with_undo() -> None:
    numbering = Numbering(SHAPE)
    numbers(numbering, boxes())
    mask = boxes(large=False)
    mask[3, 18, 18] = True
    now = numbers(numbering, mask)
    assert (now[2, 11, 11], now[3, 18, 18]) == (2, 4)
    assert numbers(numbering, boxes())[1, 1, 1] == 1


def test_when_two_meet_the_larger_gives_its_number_and_its_halves_part_again() -> None:
    numbering = Numbering(SHAPE)
    numbers(numbering, boxes())
    bridged = boxes()
    bridged[2, 5:11, 5:11] = True
    assert set(np.unique(numbers(numbering, bridged))) == {0, 1, 3}
    apart = numbers(numbering, boxes())
    assert (apart[1, 1, 1], apart[2, 11, 11], apart[0, 16, 1]) == (1, 2, 3)


def test_the_smaller_half_gets_a_number_of_its_own_and_keeps_it() -> None:
    numbering = Numbering(SHAPE)
    numbers(numbering, boxes())
    halved = boxes()
    halved[:, :, 4] = False
    for _ in range(2):
        now = numbers(numbering, halved)
        assert (now[1, 1, 1], now[1, 1, 5]) == (1, 4)
    assert numbers(numbering, boxes())[1, 1, 5] == 1


def test_a_part_of_the_volume_suffices() -> None:
    whole, part = Numbering(SHAPE), Numbering(SHAPE)
    labels = found(boxes())
    whole.number(labels)
    part.number(labels[:3, :18, :13], (0, 0, 0))
    mask = boxes(large=False)
    labels = found(mask)
    np.testing.assert_array_equal(part.number(labels[1:, 9:, 9:], (1, 9, 9))[:2], [0, 2])


def test_an_empty_mask_has_no_numbers() -> None:
    assert Numbering(SHAPE).number(np.zeros(SHAPE, np.int32)).tolist() == [0]


VOLUMES = hnp.arrays(np.int32, (3, 4, 5), elements=st.integers(0, 4))


@settings(max_examples=100, deadline=None)
@given(VOLUMES, VOLUMES)
def test_a_number_goes_where_most_of_its_voxels_are(before: NDArray[np.int32], now: NDArray[np.int32]) -> None:
    numbering = Numbering(now.shape)
    known = numbering.number(before)
    assert known.tolist() == list(range(len(known)))
    numbers = numbering.number(now)
    assert len(set(numbers.tolist())) == len(numbers)
    shared = {(n, b): int(((now == n) & (before == b)).sum()) for n in range(1, 5) for b in range(1, 5)}
    bearers = {int(number): label for label, number in enumerate(numbers)}
    for label in range(1, len(numbers)):
        for number in range(1, len(known)):
            # Another one bears the number of a place only if it has as much of it, or a better number of its own.
            if shared[label, number] and number not in bearers:
                assert shared[label, int(numbers[label])] >= shared[label, number]
            elif shared[label, number] and bearers[number] != label:
                own = shared.get((label, int(numbers[label])), 0)
                assert max(own, shared[bearers[number], number]) >= shared[label, number]


@pytest.mark.parametrize("place", [-5, 4, 2**31 - 1])
def test_numbers_that_were_never_given_are_refused(place: int) -> None:
    places = np.zeros((2, 3, 3), np.int32)
    places[1, 1, 1] = place
    with pytest.raises(ValueError, match="outside 1 to 3"):
        Numbering.going_on(places, 3)


def test_a_copy_goes_on_by_itself() -> None:
    numbering = Numbering((1, 2, 2))
    numbering.number(np.ones((1, 2, 2), np.int32))
    other = numbering.copy()
    other.number(np.full((1, 1, 1), 1, np.int32))
    other.highest += 1
    assert numbering.highest == 1
    assert (numbering.places == 1).all()


def test_no_number_is_given_twice_to_threads_that_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    numbering, is_in = Numbering(SHAPE), np.isin

    def slow(*arguments: Any) -> Any:
        time.sleep(0.2)
        return is_in(*arguments)

    monkeypatch.setattr(np, "isin", slow)
    one, other = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    one[0, :3], other[3, :3] = True, True
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(numbering.number, found(mask)) for mask in (one, other)]
    assert sorted(answer.result()[1] for answer in asked) == [1, 2]
