"""Numbers of lesions that stay the same while the mask is edited."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]


class Numbering:
    """Gives a lesion the number that its place had before; new ones get new numbers.

    Where lesions meet, the number of the larger overlap stays; where one falls apart, the larger part keeps it. A
    place remembers the number of a lesion that is deleted or swallowed, so that it comes back with undo.

    Parameters
    ----------
    shape : tuple of int
        Of the mask, ``(S, H, W)``.

    Attributes
    ----------
    places : ndarray of int32
        The number that each place has had last ``(S, H, W)``, 0 for none.
    highest : int
        Of all numbers that were given.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.places: Labels = np.zeros(shape, np.int32)
        self.highest = 0
        self._one_at_a_time, self._in_turn = Lock(), Lock()

    @classmethod
    def going_on(cls, places: Labels, highest: int) -> Numbering:
        """Go on from what another one has come to.

        Raises
        ------
        ValueError
            If a place has a number that was never given.
        """
        if places.size and not 0 <= int(places.min()) <= int(places.max()) <= highest:
            raise ValueError(f"lesions have numbers outside 1 to {highest}")
        numbering = cls(places.shape)
        numbering.places[:] = places
        numbering.highest = highest
        return numbering

    def copy(self) -> Numbering:
        """Return what it has come to, even while another thread numbers lesions."""
        numbering = Numbering(self.places.shape)
        with self._one_at_a_time:
            numbering.places[:] = self.places
            numbering.highest = self.highest
        return numbering

    def number(self, labels: Labels, corner: tuple[int, ...] = (0, 0, 0)) -> Labels:
        """Return the number of each lesion; threads that ask at once take turns.

        Parameters
        ----------
        labels : (s, h, w) ndarray of int32
            The lesions as they are found now, 1 is the largest; a part of the volume suffices that holds them all.
        corner : tuple of int
            Voxel of the volume at which that part starts.

        Returns
        -------
        ndarray of int32
            By label; 0 stays 0, and at first each label is its own number.
        """
        box = tuple(slice(start, start + length) for start, length in zip(corner, labels.shape, strict=True))
        with self._in_turn:
            return self._number(labels, box)

    def _number(self, labels: Labels, box: tuple[slice, ...]) -> Labels:
        before = self.places[box]
        inside = labels > 0
        numbers = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
        kept, highest = _by_overlap(labels[inside], before[inside]), self.highest
        for label in range(1, len(numbers)):
            if label not in kept:
                highest += 1
            numbers[label] = kept.get(label, highest)
        # A place remembers the number of a lesion that was swallowed, but not one that another lesion bears now.
        forgets = inside & ((before == 0) | np.isin(before, numbers))
        with self._one_at_a_time:
            before[forgets] = numbers[labels[forgets]]
            self.highest = highest
        return numbers


def _by_overlap(now: Labels, before: Labels) -> dict[int, int]:
    """Pair each label with the number that most of its voxels had; a number goes to one label alone."""
    if not before.any():
        return {}
    # One number for each pair: `np.unique` along an axis takes twenty times as long.
    numbers = np.int64(before.max()) + 1
    pairs, sizes = np.unique(now[before > 0] * numbers + before[before > 0], return_counts=True)
    kept: dict[int, int] = {}
    for place in np.argsort(-sizes, kind="stable"):
        label, number = divmod(int(pairs[place]), int(numbers))
        if label not in kept and number not in kept.values():
            kept[label] = number
    return kept
