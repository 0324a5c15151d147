from __future__ import annotations

import gc
import weakref

from napari_ddmd.viewer.collector import spare_what_is_there


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_spared_and_later_collected() -> None:
    old = Knot()
    old_gone = weakref.ref(old)
    spare_what_is_there(True)
    try:
        assert gc.get_freeze_count() > 0
        new = Knot()
        new_gone = weakref.ref(new)
        del old, new
        gc.collect()
        assert old_gone() is not None
        assert new_gone() is None
    finally:
        spare_what_is_there(False)
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert old_gone() is None
