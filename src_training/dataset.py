"""Slices of the store, and which of them make a batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from src_training.run import Split


@dataclass(frozen=True)
class Slices:
    """Slices of some cases, memory-mapped.

    Attributes
    ----------
    images, masks
        One array a case: ``(n, C, size, size)`` and ``(n, size, size)``, uint8.
    rows
        ``(N, 2)``: case and slice of each row.
    unhealthy
        ``(N,)``: the image-level labels.
    """

    cases: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    masks: tuple[NDArray[np.uint8], ...]
    rows: NDArray[np.int64]
    unhealthy: NDArray[np.bool_]

    @classmethod
    def of(cls, split: Split, cases: Sequence[str]) -> Slices:
        """The slices of some cases of a run."""
        index = json.loads(split.run.index_path.read_text())["cases"]
        folder = split.run.slices
        counts = [len(index[case]["slices"]) for case in cases]
        return cls(
            cases=tuple(cases),
            images=tuple(_mapped(folder / f"{case}.images.npy") for case in cases),
            masks=tuple(_mapped(folder / f"{case}.masks.npy") for case in cases),
            rows=np.array([(c, s) for c, count in enumerate(counts) for s in range(count)], np.int64),
            unhealthy=np.concatenate([np.array(index[case]["unhealthy"], bool) for case in cases]),
        )

    def image(self, rows: NDArray[np.int64]) -> Tensor:
        """Images ``(B, C, size, size)`` in [0, 1] of some rows."""
        stacked = np.stack([self.images[c][s] for c, s in self.rows[rows]])
        return torch.from_numpy(stacked).float() / 255

    def mask(self, rows: NDArray[np.int64]) -> Tensor:
        """Masks ``(B, 1, size, size)``, 0 or 1, of some rows."""
        return torch.from_numpy(np.stack([self.masks[c][s] for c, s in self.rows[rows]])).float()[:, None]


def _mapped(path: Path) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


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
