"""How far the work on cases is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINE_SECONDS = 30.0
"""In a file or a pipe a bar is one endless line."""


@contextmanager
def case_bar(items: Iterable[Item], title: str, total: int) -> Iterator[Iterable[Item]]:
    """Give the items again, and show how many are done.

    The bar is closed when this ends, so that an error does not stand in the bar's own line.

    Parameters
    ----------
    items
        Taken as they are asked for.
    title
        Stands before the numbers.
    total
        How many there are; of none nothing is shown.
    """
    with tqdm(items, desc=title, total=total, unit="case", disable=None if total else True) as bar:
        yield _told(items, title, total) if bar.disable else bar


def _told(items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
    shown = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - shown >= LINE_SECONDS:
            shown = time.monotonic()
            print(f"{title}: {done}/{total} cases", file=sys.stderr, flush=True)
        yield item
