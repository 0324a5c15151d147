"""Python's garbage collector, which stops the window for as long as it takes to look at all objects there are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def old_objects_spared() -> Iterator[None]:
    """Let full collections look only at objects that come in the block, and at all of them again after it.

    A process with napari and torch holds some 700,000 objects, and a full collection takes 0.1 s and more, in whatever
    thread it happens. Where somebody spares them already, that stays so.
    """
    spares = gc.get_freeze_count() == 0
    if spares:
        gc.freeze()
    try:
        yield
    finally:
        if spares:
            gc.unfreeze()
