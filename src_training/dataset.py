"""Slices of the store, and which of them make a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src_training.files import read_array
from src_training.recipe import RecipeError
from src_training.run import Split


@dataclass(frozen=True)
class Slices:
    """Slices of some cases, memory-mapped.

    Attributes
    ----------
    images, masks
        One array a case: ``(n, C, size, size)`` and ``(n, size, size)``, uint8; kept slices and their neighbours.
    places
        One array a case: where its kept slices lie in the arrays.
    offsets
        One a case: how far from a slice lie the slices that are shown with it, itself (0) first.
    rows
        ``(N, 2)``: case and number of the kept slice of each row.
    unhealthy
        ``(N,)``: the image-level labels.
    """

    cases: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    masks: tuple[NDArray[np.uint8], ...]
    places: tuple[NDArray[np.int64], ...]
    offsets: tuple[tuple[int, ...], ...]
    rows: NDArray[np.int64]
    unhealthy: NDArray[np.bool_]

    @classmethod
    def of(cls, split: Split, cases: Sequence[str]) -> Slices:
        """The slices of some cases of a run."""
        index = split.run.index()
        folder = split.run.slices
        counts = [len(index[case]["slices"]) for case in cases]
        return cls(
            cases=tuple(cases),
            images=tuple(_mapped(folder / f"{case}.images.npy") for case in cases),
            masks=tuple(_mapped(folder / f"{case}.masks.npy") for case in cases),
            places=tuple(np.array(index[case]["slices"], np.int64) - index[case]["stored_from"] for case in cases),
            offsets=tuple(tuple(index[case]["offsets"]) for case in cases),
            rows=rows_of(counts),
            unhealthy=np.concatenate([np.array(index[case]["unhealthy"], bool) for case in cases]),
        )

    @classmethod
    def learned_from(cls, split: Split, cases: Sequence[str]) -> Slices:
        """The slices of some cases that are learned from: all, or a balanced set where the recipe asks for one."""
        slices, recipe = cls.of(split, cases), split.run.recipe
        return slices.balanced(recipe.seed) if recipe.slices.balance_sets else slices

    def balanced(self, seed: int) -> Slices:
        """As many healthy as unhealthy slices (Section 4.1 of the paper): the larger kind is thinned.

        Raises
        ------
        RecipeError
            If there is only one kind.
        """
        kept = draw_balanced_set(self.cases, self.rows, self.unhealthy, seed)
        return replace(self, rows=self.rows[kept], unhealthy=self.unhealthy[kept])

    def image(self, rows: NDArray[np.int64]) -> Tensor:
        """Images ``(B, C, size, size)`` in [0, 1] of some rows."""
        return self._stacked(self.images, rows).float() / 255

    def mask(self, rows: NDArray[np.int64]) -> Tensor:
        """Masks ``(B, 1, size, size)``, 0 or 1, of some rows."""
        return self._stacked(self.masks, rows)[:, None].float()

    def _stacked(self, stored: tuple[NDArray[np.uint8], ...], rows: NDArray[np.int64]) -> Tensor:
        """What is stored of some rows' own slices."""
        return torch.from_numpy(np.stack([stored[c][self.places[c][s]] for c, s in self.rows[rows]]))

    def with_neighbours(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Images ``(B, N C, size, size)`` and masks ``(B, N, size, size)`` of some rows and of their N - 1 neighbours.

        A row's own slice comes first. Beyond the first and the last slice of a case there is nothing, which is 0.
        """
        shown = [(c, self.places[c][s] + np.array(self.offsets[c])) for c, s in self.rows[rows]]
        images = np.stack([_taken(self.images[c], places) for c, places in shown])
        masks = np.stack([_taken(self.masks[c], places) for c, places in shown])
        return torch.from_numpy(images).flatten(1, 2).float() / 255, torch.from_numpy(masks).float()


def _taken(stored: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Some slices of a case, zeros for those beyond its ends."""
    taken = np.zeros((len(places), *stored.shape[1:]), np.uint8)
    inside = (places >= 0) & (places < len(stored))
    taken[inside] = stored[places[inside]]
    return taken


def _mapped(path: Path) -> NDArray[np.uint8]:
    return read_array(path, remedy=f"delete {path.parent} and run the stage 'prepare' again")


def rows_of(counts: Sequence[int]) -> NDArray[np.int64]:
    """``(N, 2)``: case and place in the case of every slice, for cases with so many slices each."""
    return np.array([(case, place) for case, count in enumerate(counts) for place in range(count)], np.int64)


def draw_balanced_set(
    cases: Sequence[str], rows: NDArray[np.int64], unhealthy: NDArray[np.bool_], seed: int
) -> NDArray[np.int64]:
    """Numbers, ascending, of rows that make a set with as many healthy as unhealthy slices.

    Every slice has a lot that the seed, its case's name and its place in the case fix; those of the larger kind with
    the highest lots are left out. The set depends on which patients there are, not on their order.

    Parameters
    ----------
    cases
        Names of the cases that the rows count.
    rows
        ``(N, 2)``: case and place in the case.
    unhealthy
        ``(N,)``: the image-level labels.
    seed
        Of the lots.

    Raises
    ------
    RecipeError
        If there is only one kind.
    """
    size = int(min(unhealthy.sum(), (~unhealthy).sum()))
    if size == 0:
        kind = "unhealthy" if unhealthy.size and not unhealthy.any() else "healthy"
        raise RecipeError(
            f"no {kind} slice in the training patients; the sets cannot be balanced "
            "(widen the slice band or give --slices.no-balance-sets)"
        )
    most = int(rows[:, 1].max()) + 1
    by_case = np.stack([_lots(case, most, seed) for case in cases])
    lots = by_case[rows[:, 0], rows[:, 1]]
    kinds = [np.flatnonzero(unhealthy), np.flatnonzero(~unhealthy)]
    return np.sort(np.concatenate([numbers[np.argsort(lots[numbers])[:size]] for numbers in kinds]))


def _lots(case: str, count: int, seed: int) -> NDArray[np.float64]:
    """The first lots of a case; how many are drawn changes none of them."""
    key = np.frombuffer(hashlib.sha256(case.encode()).digest(), np.uint32)
    return np.random.default_rng([seed, *key.tolist()]).random(count)


def draw_balanced(
    unhealthy: NDArray[np.bool_], size: int, unhealthy_fraction: float, seed: Sequence[int]
) -> NDArray[np.int64]:
    """Rows of one batch, the given share of them unhealthy (as far as both kinds exist).

    The draw depends on the seed alone (seed, step), so that a resumed training sees the batches it would have seen.
    """
    generator = np.random.default_rng(list(seed))
    sick, well = np.flatnonzero(unhealthy), np.flatnonzero(~unhealthy)
    wanted = size * unhealthy_fraction
    n_sick = int(wanted) + int(generator.random() < wanted % 1)
    if not well.size:
        n_sick = size
    if not sick.size:
        n_sick = 0
    parts = [generator.choice(rows, n) for rows, n in ((sick, n_sick), (well, size - n_sick)) if n]
    return np.concatenate(parts)


def draw_epochs(count: int, size: int, step: int, seed: int) -> NDArray[np.int64]:
    """Rows of batch number ``step`` when all rows are passed through in a new order each epoch.

    The rows that are left at an epoch's end and do not fill a batch wait for the next epoch's order.
    """
    per_epoch = max(1, count // size)
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return order[place * size : (place + 1) * size] if count >= size else order
