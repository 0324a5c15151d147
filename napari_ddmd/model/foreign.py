"""Files that may come from anybody: plain ones, read within bounds, and JSON that says one thing only."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)  # a link put there meanwhile
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would never open
    | getattr(os, "O_BINARY", 0)  # Windows
)


def read_plain_file(path: Path, most: int) -> bytes:
    """Read a whole file.

    Parameters
    ----------
    path
        The file; links, pipes and devices are refused, since a model that was copied holds none.
    most
        Bytes that it may have; no more are read.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no plain file, or too large.
    """
    if path.is_symlink():
        raise ValueError("is a link; put the file itself in its place")
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no plain file")
        size = os.fstat(descriptor).st_size
        content = file.read(most + 1) if size <= most else b""
    if size > most or len(content) > most:
        raise ValueError(f"has {max(size, len(content)):,} bytes, {most:,} at most are expected")
    return content


def strict_json(text: bytes) -> Any:
    """Parse JSON that has each key once, and no number that is not finite.

    Raises
    ------
    ValueError
        If it is anything else, or nested too deeply.
    """
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def one_line(error: BaseException) -> str:
    """What an error says, in one line of moderate length, without what would move a terminal's cursor."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"has the key {twice[:80]!r} twice")
    return found


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"holds {number}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(text[:40])
    return number
