from __future__ import annotations

import gc
import weakref

import pytest

from napari_ddmd.viewer.collector import old_objects_spared


@pytest.fixture(scope="module", autouse=True)
def imports_are_spared() -> None:
    """Nothing is spared before these tests do it."""


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_spared_and_later_collected() -> None:
    old = Knot()
    old_gone = weakref.ref(old)
    with old_objects_spared():
        new = Knot()
        new_gone = weakref.ref(new)
        del old, new
        gc.collect()
        assert old_gone() is not None
        assert new_gone() is None
    gc.collect()
    assert old_gone() is None


def test_all_are_looked_at_again_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), old_objects_spared():
        raise ZeroDivisionError
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_spares_stays_spared() -> None:
    gc.freeze()
    try:
        with old_objects_spared():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_blocks_may_overlap() -> None:
    one, other = old_objects_spared(), old_objects_spared()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_freeze_count() > 0
    other.__exit__(None, None, None)
    assert gc.get_freeze_count() == 0
