from __future__ import annotations

from collections.abc import Sequence

import pytest

from napari_ddmd.wording import duration, millilitres, ranges


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_volumes_in_words() -> None:
    assert [millilitres(volume) for volume in (0.004, 9.994, 10.04)] == ["0.00", "9.99", "10.0"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([5], "5"), ([5, 6], "5-6"), ([1, 3, 4, 5, 9], "1, 3-5, 9"), (range(0, 20, 2), "0, 2, 4, 6, 8, 10, …")],
)
def test_ranges_are_short(numbers: Sequence[int], text: str) -> None:
    assert ranges(numbers, most=6) == text


def test_ranges_are_whole_where_nobody_asks_for_fewer() -> None:
    assert ranges(range(0, 20, 2), dash="–") == "0, 2, 4, 6, 8, 10, 12, 14, 16, 18"
    assert ranges([1, 2, 3], dash="–") == "1–3"
