"""What a reader may answer to an input that is broken."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refusal(*kinds: type[Exception], longest: int = 1000) -> Iterator[None]:
    """Take an error of these kinds for an answer, so long as it is one line of moderate length.

    Warnings that nobody has asked for are crashes: they would be lines beside the one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except kinds as error:
        text = str(error)
        if len(text.splitlines()) != 1 or len(text) > longest:
            raise AssertionError(f"not one plain line: {text!r}") from error
