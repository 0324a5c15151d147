"""What a run gives back: a result for each slice, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.model.discrepancy import DiscrepancyScores

SETTLED_S = 3.0
"""Seconds after which the pace of a run is no longer that of libraries being loaded."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, in denoiser evaluations of one mask.

    Attributes
    ----------
    done, total
        Evaluations.
    seconds, remaining
        Time since the start, and the time left at the present pace (None before the first evaluation).
    message
        The same in words.
    computed
        Evaluations that were really made: those that are saved (`first_guess`) are done without.
    device
        What computes now: a run that falls short of memory may leave the device that it began on.
    """

    done: int
    total: int
    seconds: float
    remaining: float | None
    message: str
    computed: int = 0
    device: str = ""

    @property
    def left(self) -> float | None:
        """Seconds that are left, once that can be told."""
        return self.remaining if self.seconds >= SETTLED_S else None


@dataclass(frozen=True)
class SliceResult:
    """What the model says of one slice, on the case's axial grid.

    Attributes
    ----------
    index
        Slice number on the axial grid.
    probability
        ``(H, W)``, mean of the sampled masks.
    samples
        ``(K, H, W)``, the sampled masks, each soft in [0, 1].
    uncertainty
        ``(H, W)`` in [0, 1]: binary entropy of the probability, in bits.
    inter, intra
        ``(H, W)`` maps (Eq 12, Eq 13); None where the model has none, or the case lacks a modality.
    scores
        Means of the maps over the model's window; None where there are no maps.
    evened
        Modalities that the networks have seen without their bias field (`napari_ddmd.evened`).
    """

    index: int
    probability: NDArray[np.float32]
    samples: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    inter: NDArray[np.float32] | None
    intra: NDArray[np.float32] | None
    scores: DiscrepancyScores | None
    evened: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        index: int,
        samples: NDArray[np.float32],
        *,
        inter: NDArray[np.float32] | None = None,
        intra: NDArray[np.float32] | None = None,
        scores: DiscrepancyScores | None = None,
        evened: tuple[str, ...] = (),
    ) -> SliceResult:
        """Make the result of some sampled masks ``(K, H, W)``: their mean is the probability, its entropy the doubt."""
        probability = samples.mean(axis=0)
        return cls(index, probability, samples, binary_entropy(probability), inter, intra, scores, evened)

    def mask(self, threshold: float) -> NDArray[np.uint8]:
        """``(H, W)``, 1 where the probability exceeds the threshold."""
        return (self.probability > threshold).astype(np.uint8)


@dataclass(frozen=True)
class Denoising:
    """One mask of one slice on its way out of the noise, on the case's axial grid; no lesion outside the brain.

    Attributes
    ----------
    timesteps
        The N timesteps that were visited, counted from 0, the noisiest first.
    noisy
        ``(N + 1, H, W)``, x_t before each evaluation, and the finished mask; −1 outside the lesion, 1 inside.
    estimates
        ``(N, H, W)`` in [0, 1], the clean mask that each evaluation expects.
    """

    timesteps: tuple[int, ...]
    noisy: NDArray[np.float32]
    estimates: NDArray[np.float32]


def binary_entropy(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Binary entropy in bits: 0 where the model is sure, 1 where it is a coin's toss."""
    p = np.clip(probability, 1e-7, 1 - 1e-7).astype(np.float64)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.where(probability > 0, entropy, 0.0).astype(np.float32)
