"""Python's garbage collector, which stops the window for as long as it takes to look at all objects there are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_AT_FIRST: Final = gc.get_freeze_count()
"""Some versions of Python (3.12) begin with objects that are spared for good."""
_blocks = 0
_is_ours = False


@contextmanager
def old_objects_spared() -> Iterator[None]:
    """Let full collections look only at objects that come in the block, and at all of them again after it.

    A process with napari and torch holds some 700,000 objects, and a full collection takes 0.1 s and more, in whatever
    thread it happens. Blocks may overlap: they are spared until the last one ends. Where somebody else spares them
    already, that stays so.
    """
    global _blocks, _is_ours
    if _blocks == 0 and gc.get_freeze_count() <= _AT_FIRST:
        gc.freeze()
        _is_ours = True
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1
        if _blocks == 0 and _is_ours:
            gc.unfreeze()
            _is_ours = False
