"""How a mask comes out of the noise, step by step (Fig 5)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.device import pick_device
from napari_ddmd.evened import even_out
from napari_ddmd.model.bundle import Bundle
from napari_ddmd.model.denoiser import condition
from napari_ddmd.results import Denoising, Progress
from napari_ddmd.workers import workers


def denoising_sequence(
    case: Case,
    bundle: Bundle,
    index: int,
    *,
    number: int = 0,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    cancel: Event | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Denoising:
    """How one mask of one slice comes out of the noise (Fig 5): the very mask that `segment` gives for this request.

    Parameters
    ----------
    case, bundle, steps, sampler, seed, device
        As in `segment`.
    index
        Axial slice; must hold brain.
    number
        Which of the slice's masks.
    cancel
        When set, no evaluation begins any more.
    progress
        Called after every step, from the thread that computes.

    Raises
    ------
    ValueError
        If a setting is out of range or the slice holds no brain.
    CancelledError
        If it was cancelled.
    """
    # A copy: a run that begins meanwhile may take the networks themselves to another device.
    own = replace(bundle, networks=copy.deepcopy(bundle.networks))
    run = CaseSampler(
        case=case,
        bundle=own,
        device=pick_device(device),
        samples=number + 1,
        steps=steps,
        sampler=sampler,
        seed=seed,
        cancel=cancel,
    )
    run.check([index], 1)
    if not case.brain[index].any():
        raise ValueError(f"slice {index} of {case.name} holds no brain")
    # The masks before the one that is asked for are drawn along.
    run.total, run.progress = run.steps * (number + 1), progress
    run.prepare()
    even_out(run, 1)
    with workers(run.device, 1) as pool:
        return pool.submit(_sequence, run, index).result()


@torch.no_grad()
def _sequence(run: CaseSampler, index: int) -> Denoising:
    """In a worker's thread, where `segment` computes, too."""
    images = run.window.with_neighbours([index]).to(run.device)
    maps = run.maps(images[:, : len(MODALITIES)])
    noisy: list[Tensor] = []
    estimates: list[Tensor] = []
    timesteps: list[int] = []

    def watch(x_t: Tensor, t: Tensor) -> None:
        noisy.append(x_t[-1:])
        timesteps.append(int(t[0]))

    def keep(_step: int, _total: int, estimate: Tensor) -> None:
        estimates.append(estimate[-1:])

    conditioning = condition(images, maps.inter, maps.intra, run.bundle.settings)
    masks = run.masks([index], conditioning, watch=watch, callback=keep)
    noisy.append(2 * masks[:, -1:] - 1)

    def lay(layers: list[Tensor]) -> NDArray[np.float32]:
        on_slice: NDArray[np.float32] = run.window.on_slices(torch.cat(layers, dim=1), [index])[0]
        return on_slice

    brain = run.case.brain[index]
    return Denoising(
        tuple(timesteps),
        np.where(brain, lay(noisy), np.float32(-1)),
        (lay(estimates) + brain) / 2,
    )
