"""What the words of the command line may be."""

from __future__ import annotations

import argparse
from pathlib import Path


def a_path(text: str) -> Path:
    """A path; nothing is none, which a script gives for a variable that it never set."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; give one, such as . for the folder that you are in")
    return Path(text)


def whole(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def portion(text: str) -> float:
    """A number from 0 to just below 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return number


def slice_range(text: str) -> tuple[int | None, int | None]:
    """First slice and the one after the last, of ``A:B``; None for an end that is left out."""
    start, colon, stop = text.partition(":")
    ends = [part.strip() for part in (start, stop)]
    if not colon or not all(part.isdecimal() or not part for part in ends):
        raise argparse.ArgumentTypeError(f"{text!r} is not A:B with whole numbers from 0, such as 60:100")
    first, last = (int(part) if part else None for part in ends)
    if first is not None and last is not None and first >= last:
        raise argparse.ArgumentTypeError(f"{text!r} holds no slice: give the first and the one after the last")
    return first, last
