"""Numbers in words, alike wherever a person reads them."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """Word a time: ``8 s``, ``2 min 05 s``, ``1 h 02 min``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def millilitres(volume: float) -> str:
    """Word a volume: two decimals below 10 mL, one above."""
    return f"{volume:.2f}" if volume < 10 else f"{volume:.1f}"


def ranges(numbers: Sequence[int], *, dash: str = "-", most: int | None = None) -> str:
    """Word whole numbers in rising order as ranges: ``61-64, 70``.

    Parameters
    ----------
    numbers : sequence of int
        Without doubles.
    dash : str
        Between the ends of a range.
    most : int, optional
        Ranges that are named; what follows is an ellipsis.
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [f"{first}" if first == last else f"{first}{dash}{last}" for first, last in runs]
    return ", ".join(texts[:most]) + (", …" if len(texts[:most]) < len(texts) else "")
