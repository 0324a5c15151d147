"""Undo and redo of everything that changes a mask: strokes, tools, thresholds and runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 128 * 2**20

Volume = NDArray[np.uint8]


@dataclass(frozen=True)
class Change:
    """Voxels of one array that changed.

    Attributes
    ----------
    places : (n,) ndarray
        Indices into the flat array.
    before, after : (n,) ndarray
        Their values.
    slices : frozenset of int
        In which they lie.
    """

    places: NDArray[np.intp]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    slices: frozenset[int]

    @property
    def nbytes(self) -> int:
        """Memory of the change."""
        return int(self.places.nbytes + self.before.nbytes + self.after.nbytes)


@dataclass(frozen=True)
class Step:
    """What one undo takes back.

    Attributes
    ----------
    name : str
        What was done, in a word or two.
    changes : tuple of Change
        One for each array.
    threshold : (float, float)
        At which the lesion was cut before and after.
    run : (int, int)
        Number of the run that the mask was of before and after.
    """

    name: str
    changes: tuple[Change, ...]
    threshold: tuple[float, float]
    run: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Memory of the step."""
        return sum(change.nbytes for change in self.changes)


class EditHistory:
    """Remembers the changes of some arrays that belong together, as the voxels that changed.

    Parameters
    ----------
    arrays : sequence of ndarray of uint8
        Contiguous; changed in place by others, and by `undo` and `redo`.
    threshold : float
        At which the lesion is cut at first.
    run : int
        Number of the run that they are of at first.
    most_bytes : int
        The oldest steps are forgotten beyond this.
    """

    def __init__(
        self, arrays: Sequence[Volume], threshold: float, *, run: int = 0, most_bytes: int = MOST_BYTES
    ) -> None:
        self._arrays = tuple(arrays)
        self._last = tuple(_copy(array) for array in arrays)
        self._threshold = threshold
        self._run = run
        self._before = run, threshold
        self._most_bytes = most_bytes
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._gathered: list[tuple[Change, ...]] = []
        self._gathered_name = ""
        self._held: str | None = None

    @property
    def next_undo(self) -> str | None:
        """What `undo` would take back."""
        if self._gathered and self._gathered_name != self._held:
            return self._gathered_name
        place = self._next()
        return None if place is None else self._done[place].name

    @property
    def next_redo(self) -> str | None:
        """What `redo` would do again."""
        return self._undone[-1].name if self._undone else None

    def commit(
        self, name: str, threshold: float | None = None, slices: Sequence[int] | None = None, *, joins: bool = False
    ) -> bool:
        """Remember what changed since the last commit as one step.

        Parameters
        ----------
        name : str
            What was done.
        threshold : float, optional
            At which the lesion is cut now.
        slices : sequence of int, optional
            Nothing changed elsewhere; without it, all is compared.
        joins : bool
            Be one step with the one before, where that has the same name and nothing was taken back since.

        Returns
        -------
        bool
            Whether anything had changed; a threshold that flips no voxel has, too.
        """
        self.close_gathering()
        changes = self._take(slices)
        before = self._threshold
        self._threshold = before if threshold is None else threshold
        self._before = self._run, self._threshold
        if not _is_change(changes) and (self._threshold == before or self._undone):  # what can be done again stays
            return False
        if joins and not self._undone and self._done and self._done[-1].name == name:
            earlier = self._done.pop()
            pairs = zip(earlier.changes, changes, strict=True)
            changes, before = tuple(_joined(pair) for pair in pairs), earlier.threshold[0]
            if before == self._threshold and self._is_undone(changes):
                return True
        self._push(Step(name, changes, (before, self._threshold), (self._run, self._run)))
        return True

    def retell_threshold(self, threshold: float) -> None:
        """Let the threshold have been this one all along, since nothing was cut at another."""
        self._threshold = threshold
        self._before = self._before[0], threshold
        for steps in (self._done, self._undone):
            steps[:] = [replace(step, threshold=(threshold, threshold)) for step in steps]

    def hold(self, name: str | None) -> None:
        """Let `undo` pass over the steps of a name, of which more is to come; with None, over none any more.

        Under them it takes back what has to do with none of them, and nothing else.
        """
        self._held = name

    def begin_run(self, run: int, threshold: float) -> None:
        """Let what is being gathered, and what follows, lead to another run by its number, and to its threshold."""
        self._run, self._threshold = run, threshold

    def forget_all_but(self, runs: Collection[int]) -> None:
        """Forget steps that lead to other runs, and those before them: nobody knows any more what else these said.

        Parameters
        ----------
        runs : collection of int
            Numbers of those that can be gone back to, beside the one on screen.
        """
        for steps in (self._done, self._undone):
            lost = [place for place, step in enumerate(steps) if not {self._run, *runs}.issuperset(step.run)]
            del steps[: lost[-1] + 1 if lost else 0]

    def revert(self, slices: Collection[int]) -> None:
        """Let the arrays be as they were at the latest commit, of the first one these slices alone; takes no memory."""
        for number, (last, array) in enumerate(zip(self._last, self._arrays, strict=True)):
            for index in range(len(array)) if number else slices:
                array[index] = last[index]

    def gather(self, name: str, slices: Sequence[int], *, drawn_on: Collection[int] = ()) -> None:
        """Take in what changed in some slices, as a part of a step that goes on until the next commit.

        The slices of a run come in one by one, and are one step; a stroke between them ends it, and another begins.
        What was taken back before cannot be done again on top of them. What changed in slices that are drawn on is left
        to the step that comes next, but for the last of the arrays.
        """
        changes = self._take(slices, drawn_on)
        if _is_change(changes):
            self._undone.clear()
            self._gathered.append(changes)
            self._gathered_name = name

    def close_gathering(self) -> None:
        """End the step that is being gathered."""
        if parts := self._gathered:
            joined = tuple(_joined([part[number] for part in parts]) for number in range(len(self._arrays)))
            run, threshold = self._before
            self._gathered = []
            self._push(Step(self._gathered_name, joined, (threshold, self._threshold), (run, self._run)))
        self._before = self._run, self._threshold

    def undo(self) -> Step | None:
        """Take the latest step back; None where there is none."""
        self.close_gathering()
        place = self._next()
        if place is None:
            return None
        step = self._done.pop(place)
        if place < len(self._done):  # what stays on top of it is of this threshold
            step = replace(step, threshold=(self._threshold, self._threshold))
        self._undone.append(step)
        # Backwards: of a voxel that changed twice, the first value is the one to come back to.
        self._put(step, -1)
        self._threshold, self._run = step.threshold[0], step.run[0]
        self._before = self._run, self._threshold
        return step

    def redo(self) -> Step | None:
        """Do the latest step again that was taken back; None where there is none."""
        if not self._undone:
            return None
        step = self._undone.pop()
        self._done.append(step)
        self._put(step, 1)
        self._threshold, self._run = step.threshold[1], step.run[1]
        self._before = self._run, self._threshold
        return step

    def _next(self) -> int | None:
        """Which step `undo` takes back."""
        later = list(self._gathered)
        for place in reversed(range(len(self._done))):
            step = self._done[place]
            if self._held is None or not (later or step.name == self._held):
                return place
            if step.name != self._held and _is_change(step.changes):
                is_apart = all(_are_apart(step.changes, changes) for changes in later)
                stays = step.threshold[0] == step.threshold[1] and step.run == (self._run, self._run)
                return place if is_apart and stays else None
            later.append(step.changes)
        return None

    def _take(self, slices: Sequence[int] | None, drawn_on: Collection[int] = ()) -> tuple[Change, ...]:
        """What changed since it was taken last."""
        others = slices if slices is None else [index for index in slices if index not in drawn_on]
        wanted = [*[others] * (len(self._arrays) - 1), slices]
        pairs = zip(self._last, self._arrays, wanted, strict=True)
        changes = tuple(_difference(last, array, own) for last, array, own in pairs)
        for last, change in zip(self._last, changes, strict=True):
            last.ravel()[change.places] = change.after
        return changes

    def _is_undone(self, changes: Sequence[Change]) -> bool:
        """Whether the arrays are as they were before some changes, since one took the other back."""
        firsts = (np.unique(change.places, return_index=True) for change in changes)
        return all(
            np.array_equal(last.ravel()[places], change.before[first])
            for last, change, (places, first) in zip(self._last, changes, firsts, strict=True)
        )

    def _push(self, step: Step) -> None:
        self._done.append(step)
        self._undone.clear()
        while len(self._done) > 1 and sum(kept.nbytes for kept in self._done) > self._most_bytes:
            del self._done[0]

    def _put(self, step: Step, way: int) -> None:
        for array, last, change in zip(self._arrays, self._last, step.changes, strict=True):
            values = change.before if way < 0 else change.after
            array.ravel()[change.places[::way]] = values[::way]
            last.ravel()[change.places[::way]] = values[::way]


def _copy(array: Volume) -> Volume:
    """Copy a volume; empty slices stay memory that was never touched, which takes no time."""
    copy = np.zeros(array.shape, array.dtype)
    filled = array.any(axis=(1, 2))
    copy[filled] = array[filled]
    return copy


def _is_change(changes: Sequence[Change]) -> bool:
    return any(len(change.places) for change in changes)


def _are_apart(one: Sequence[Change], other: Sequence[Change]) -> bool:
    """Tell whether changes are of other slices of each array, so that either can be taken back without the other."""
    return all(a.slices.isdisjoint(b.slices) for a, b in zip(one, other, strict=True))


def _joined(parts: Sequence[Change]) -> Change:
    return Change(
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.before for part in parts]),
        np.concatenate([part.after for part in parts]),
        frozenset().union(*(part.slices for part in parts)),
    )


def _difference(last: Volume, now: Volume, slices: Sequence[int] | None) -> Change:
    if slices is None:
        slices = np.flatnonzero((last != now).any(axis=(1, 2))).tolist()
    size = int(np.prod(last.shape[1:]))
    places = {index: np.flatnonzero(last[index] != now[index]) + index * size for index in sorted(slices)}
    found = np.concatenate(list(places.values())) if places else np.empty(0, np.intp)
    where = frozenset(index for index, each in places.items() if len(each))
    return Change(found, last.ravel()[found], now.ravel()[found], where)
