"""Files that are whole or not there: written beside their place, and moved into it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ExportError(ValueError):
    """Results that cannot be saved; the message is one line that names the path and says what to do."""


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Make a hidden folder beside the results: on the same disk, moving out of it is one step."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as name:
        yield Path(name)


@contextmanager
def one_line_errors(path: Path) -> Iterator[None]:
    """Word what the operating system says for the user.

    Raises
    ------
    ExportError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise ExportError(f"{path}: cannot be written ({reason}); choose another folder or free some space") from error


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file (UTF-8, line ends as they are); an existing one is replaced in one step.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    target = Path(path)
    with one_line_errors(target), workplace(target.parent) as place:
        fresh = place / target.name
        fresh.write_text(text, encoding="utf-8", newline="")
        return fresh.replace(target)
