"""Look at something all the time while a block runs, from a thread of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Self


class Lookout(ABC):
    """A context in which `look` is called again and again.

    Parameters
    ----------
    every_s : float
        Between two looks.
    """

    def __init__(self, every_s: float) -> None:
        self._every = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._stand, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @abstractmethod
    def look(self) -> None:
        """Look once; called in the lookout's own thread."""

    def _stand(self) -> None:
        while not self._done.wait(self._every):
            self.look()
