"""Text for a terminal or a log: one line, whatever the name of a file holds."""

from __future__ import annotations

import io
import sys


def one_line(text: object) -> str:
    r"""Make one line of a text, in which nothing can end the line, colour it or turn it round.

    Examples
    --------
    >>> one_line("first\nsecond")
    'first second'
    """
    return printable(" ".join(str(text).split()))


def printable(text: str) -> str:
    r"""Write out what would end a line, colour it or turn it round; spaces stay as they are.

    Examples
    --------
    >>> printable("   3  T1\x1b[2J")
    '   3  T1\\x1b[2J'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def print_any_name() -> None:
    """Let the process print names that its terminal or log cannot hold, with escapes instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
