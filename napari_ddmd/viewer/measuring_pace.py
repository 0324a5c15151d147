"""When a mask is measured again: at once where that is quick, beside the window where it is not, never all the time."""

from __future__ import annotations

import math
import time

QUICK_S = 0.05
"""A mask that takes less can be measured while the window waits."""
MOST_REST_S = 0.4
REST = 4
"""How many times as long as a measurement took none is begun after it: the interpreter is shared."""
REST_AT_ONCE = 1
"""The same after one for which the window has waited."""
_LEAST_VOXELS = 50_000
"""A box of so many takes as long as an empty one."""


class MeasuringPace:
    """What measuring one mask has taken, and what it will.

    The time goes by the box that holds the mask, in which its lesions are told apart.
    """

    def __init__(self) -> None:
        self._began = self._free_from = 0.0
        self._per_voxel = math.inf

    def forget(self) -> None:
        """Another mask is measured, of which nothing is known; the rest stays."""
        self._per_voxel = math.inf

    def begin(self) -> None:
        """A measurement begins."""
        self._began = time.perf_counter()

    def end(self, voxels: int | None, *, thread_s: float = 0.0, at_once: bool = False) -> None:
        """A measurement has ended.

        Parameters
        ----------
        voxels
            Of the box; None where it failed.
        thread_s
            Seconds of processor that it took. Beside the window, those on the clock are others' work, too.
        at_once
            Whether the window has waited, so that those on the clock count.
        """
        now = time.perf_counter()
        took = now - self._began
        self._free_from = now + min(MOST_REST_S, (REST_AT_ONCE if at_once else REST) * took)
        # A thread's clock may be as coarse as 16 ms, and say that no time went by.
        seconds = max(thread_s, took) if at_once else thread_s or took
        self._per_voxel = math.inf if voxels is None else seconds / (voxels + _LEAST_VOXELS)

    def is_quick(self, voxels: int) -> bool:
        """Whether a mask in a box of so many voxels will take less than `QUICK_S`."""
        return self._per_voxel * (voxels + _LEAST_VOXELS) <= QUICK_S

    @property
    def rest_ms(self) -> int:
        """Milliseconds until the next measurement may begin."""
        return max(0, round(1000 * (self._free_from - time.perf_counter())))
