"""Sampled masks of some slices: noise by mask, precision by device, and what the network's output means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from napari_ddmd.device import inference_dtype
from napari_ddmd.model.losses import logits_to_x0
from napari_ddmd.model.samplers import Callback, Denoise, sample
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import ModelSettings
from napari_ddmd.noise import MaskKey, mask_noise

Watch = Callable[[Tensor, Tensor], None]
"""``watch(x_t, t)`` is called before each evaluation of the denoiser; it may raise to end the sampling."""


@torch.no_grad()
def sample_masks(
    denoiser: Denoise,
    keys: Sequence[MaskKey],
    settings: ModelSettings,
    *,
    sampler: str,
    steps: int,
    seed: int,
    device: torch.device,
    watch: Watch | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Sample the masks of some keys.

    Parameters
    ----------
    denoiser
        ``denoiser(x_t, t)`` gives the network's output and learned variance for all B masks; the condition is its own.
    keys
        Slice and number of each of the B masks.
    settings
        The model's; its schedule and what it predicts are taken from here.
    sampler, steps, seed
        How the masks are drawn.
    device
        Where the networks are.
    watch, callback
        Called before and after each evaluation.

    Returns
    -------
    Tensor
        ``(B, size, size)`` in [0, 1].
    """
    diffusion, side = settings.diffusion, settings.frame.size
    schedule = NoiseSchedule.of(diffusion)
    dtype = inference_dtype(device)

    def noise(step: int) -> Tensor:
        return mask_noise(seed, keys, step, (1, side, side)).to(device)

    def denoise(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        if watch is not None:
            watch(x_t, t)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            output, variance = denoiser(x_t, t)
        output = output.float()
        if diffusion.prediction == "x0":
            output = logits_to_x0(output)
        return output, None if variance is None else variance.float()

    x_0 = sample(
        sampler,
        denoise,
        noise(-1),
        schedule,
        prediction=diffusion.prediction,
        noise=noise,
        steps=steps,
        callback=callback,
    )
    return ((x_0[:, 0] + 1) / 2).clamp(0, 1)
