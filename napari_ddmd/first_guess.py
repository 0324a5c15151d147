"""Denoiser calls saved: the first made once a slice, and the further ones only where it leaves a doubt."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from napari_ddmd.model.settings import ModelSettings

Network = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""``network(x_t, t, masks)`` gives the logits of the clean mask, and a learned variance or None.

``masks`` says which of the masks of all slices each row is, counted slice by slice: what a network needs of a mask
beside its noise (conditioning, whose turn it is) need not be repeated for every mask at once.
"""


def is_shared(settings: ModelSettings, sampler: str, steps: int) -> bool:
    """Whether a sampling shares first guesses: few steps of a model that says so and predicts the clean mask."""
    few_steps = steps > 1 and sampler != "ddpm"
    return few_steps and settings.sampling.shared_guess and settings.diffusion.prediction == "x0"


def guesses(settings: ModelSettings, samples: int) -> int:
    """First estimates of a slice: one of each denoiser that has a turn."""
    return min(settings.denoiser.members, samples)


class FirstGuess:
    """The denoiser of all masks of some slices in one few-step sampling.

    At the noisiest timestep the noisy mask tells nothing of the lesion (√ᾱ_T is 0.006 with the linear schedule): the
    first estimates of a slice's masks differ by chance alone. They share that of the first mask here, and each goes on
    from it with its own noise. Those that stay below `healthy_below` everywhere are kept to the end. Where several
    denoisers take turns, each makes one for the masks that it draws, so that a mask does not depend on how many others
    are drawn.

    Parameters
    ----------
    network
        Predicts the clean mask as logits.
    slices
        B, how many there are.
    samples
        K, masks a slice.
    healthy_below
        Probability; 0 lets no mask end early.
    turns
        Denoisers that take turns: the first estimates of a slice, as far as it has as many masks.
    """

    def __init__(self, network: Network, slices: int, samples: int, healthy_below: float, turns: int = 1) -> None:
        self.network, self.healthy_below = network, healthy_below
        self.masks = torch.arange(slices * samples).view(slices, samples)
        self.guesses = min(turns, samples)
        self._estimate: Tensor | None = None
        self._doubtful = torch.zeros(0, dtype=torch.long)

    def __call__(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        """Logits ``(B K, 1, h, w)`` of the clean masks, slice by slice; a learned variance is left out.

        Parameters
        ----------
        x_t, t
            ``(B K, 1, h, w)`` and ``(B K,)``; the first call is that of the noisiest timestep.
        """
        masks = self.masks.to(x_t.device)
        if self._estimate is None:
            rows = masks[:, : self.guesses].flatten()
            found, _ = self.network(x_t[rows], t[rows], rows)
            guess = found.view(len(masks), self.guesses, *found.shape[1:])
            whose = masks[0] % self.guesses
            surest = guess.float().sigmoid().flatten(2).amax(dim=2)
            self._doubtful = masks[(surest >= self.healthy_below)[:, whose]]
            self._estimate = guess[:, whose].flatten(0, 1)
        elif len(rows := self._doubtful):
            self._estimate = self._estimate.clone()
            self._estimate[rows] = self.network(x_t[rows], t[rows], rows)[0]
        return self._estimate, None
