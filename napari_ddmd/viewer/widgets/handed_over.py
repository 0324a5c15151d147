"""What a job in another thread is given, and gives up when it begins."""

from __future__ import annotations

from typing import Any


class HandedOver:
    """Arguments of a job, until it takes them.

    napari keeps all workers of a window; and of two that run at once, Qt's helper (superqt) may leave one in Python's
    ``warnings`` for good. A worker keeps its function and its arguments, and would keep a case that is closed.

    Parameters
    ----------
    *given
        What the job is given.
    """

    def __init__(self, *given: Any) -> None:
        self._given = given

    def take(self) -> tuple[Any, ...]:
        """Return what was given, which is not kept any longer."""
        given, self._given = self._given, ()
        return given
