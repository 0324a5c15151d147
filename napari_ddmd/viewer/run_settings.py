"""What a run is asked to do: which slices, and the recipe that makes two runs comparable."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.cut import Cut

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.model import Bundle


class SliceMode(StrEnum):
    """Which slices a run covers."""

    CURRENT = "current"
    RANGE = "range"
    BRAIN = "brain"


@dataclass(frozen=True)
class SliceChoice:
    """The slices that the user asks for.

    Attributes
    ----------
    mode : SliceMode
        The slice on screen, a range, or every slice that holds brain.
    first, last : int
        Ends of the range, both included; only for ``SliceMode.RANGE``.
    """

    mode: SliceMode
    first: int = 0
    last: int = 0

    def slices(self, brain: NDArray[np.bool_], current: int) -> list[int]:
        """List the slices, nearest to the current one first: results appear where the user looks.

        Parameters
        ----------
        brain : (S, H, W) ndarray of bool
            Where the case has brain.
        current : int
            The slice on screen.
        """
        depth = len(brain)
        if self.mode is SliceMode.CURRENT:
            chosen = [current]
        elif self.mode is SliceMode.RANGE:
            low, high = sorted((self.first, self.last))
            chosen = list(range(max(low, 0), min(high, depth - 1) + 1))
        else:
            chosen = np.flatnonzero(brain.any(axis=(1, 2))).tolist()
        return sorted(chosen, key=lambda index: (abs(index - current), index))


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How masks are sampled; the same values give the same masks.

    Attributes
    ----------
    samples : int
        Masks a slice.
    steps : int
        Denoiser evaluations a mask.
    sampler : str
        Name of the sampler.
    seed : int
        Of the noise.
    device : str
        ``auto``, or one of this computer's.
    """

    samples: int = 5
    steps: int = 2
    sampler: str = "ddim"
    seed: int = 0
    device: str = "auto"

    def on_device(self) -> Sampling:
        """Return the same with the name of the device that this computer takes for it."""
        from napari_ddmd.device import DeviceError, pick_device

        try:
            return replace(self, device=str(pick_device(self.device)))
        except (DeviceError, RuntimeError):  # of a session from another computer, or no name of a device
            return self


def told_apart(sampling: Sampling, others: Iterable[Sampling]) -> str:
    """Word the values of a run in which others differ from it; where none does, its seed.

    Examples
    --------
    >>> told_apart(Sampling(seed=3), [Sampling(seed=4), Sampling(seed=3, steps=20)])
    'seed 3, 2 steps'
    """
    words = {
        "seed": f"seed {sampling.seed}",
        "samples": f"{sampling.samples} {'sample' if sampling.samples == 1 else 'samples'}",
        "steps": f"{sampling.steps} {'step' if sampling.steps == 1 else 'steps'}",
        "sampler": f"sampler {sampling.sampler}",
        "device": f"device {sampling.device}",
    }
    own = sampling.on_device()
    unlike = {name for other in others for name in words if getattr(other.on_device(), name) != getattr(own, name)}
    return ", ".join(word for name, word in words.items() if name in (unlike or {"seed"}))


@dataclass(frozen=True)
class Recipe:
    """All that decides what a slice's result is: runs of one recipe complete each other."""

    case: Case
    model_sha256: str
    sampling: Sampling
    cut: Cut = field(default_factory=Cut)
    shared_guess: bool = False
    healthy_below: float = 0.0
    evens_out: bool = False

    def matches(self, other: Recipe | None) -> bool:
        """Whether another recipe gives the same here: one device can be asked for by its name and as ``auto``."""
        if other is None or self == other:
            return other is not None
        here, there = (replace(recipe, sampling=recipe.sampling.on_device()) for recipe in (self, other))
        return here == there


@dataclass(frozen=True)
class RunRequest:
    """One press of the Run button.

    Attributes
    ----------
    case, bundle
        The patient and the model.
    sampling : Sampling
        How masks are sampled.
    slices : tuple of int
        Slices of the axial grid, in the order in which they are wanted.
    allow_missing : bool
        Whether the user knows that the case lacks a modality, and wants the run all the same.
    """

    case: Case
    bundle: Bundle
    sampling: Sampling
    slices: tuple[int, ...]
    allow_missing: bool = False

    @property
    def recipe(self) -> Recipe:
        """What this run's results depend on."""
        own = self.bundle.settings.sampling
        return Recipe(
            self.case,
            self.bundle.sha256,
            self.sampling,
            Cut.of(own),
            own.shared_guess,
            own.healthy_below,
            self.bundle.settings.evens_out,
        )

    def without(self, done: Collection[int]) -> RunRequest:
        """Return the request less the slices that are done already."""
        left = tuple(index for index in self.slices if index not in done)
        return replace(self, slices=left)
