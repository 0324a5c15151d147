"""The noise of a sampled mask: it depends on who the mask is, and on nothing that is computed beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

MaskKey = tuple[int, int]
"""Axial slice, and number of the mask among those of the slice."""


def mask_noise(seed: int, keys: Sequence[MaskKey], step: int, shape: Sequence[int]) -> Tensor:
    """Standard normal noise of some masks at one step.

    Parameters
    ----------
    seed
        Of the run.
    keys
        The B masks.
    step
        Step of the sampling, −1 for the noise that it starts from.
    shape
        Shape of one mask's noise.

    Returns
    -------
    Tensor
        ``(B, *shape)``, drawn on the CPU, so that every device gets the same.
    """
    return torch.stack([_draw((seed, *key, step), shape) for key in keys])


def _draw(key: tuple[int, ...], shape: Sequence[int]) -> Tensor:
    plain = tuple(map(int, key))  # numpy's numbers word themselves otherwise
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
    return torch.randn(tuple(shape), generator=generator)
