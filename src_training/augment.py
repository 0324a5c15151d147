"""Random changes of a training batch, all on the batch's device and from one generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(images: Tensor, maps: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Deform images, maps and masks together, and change the images' intensities.

    Parameters
    ----------
    images, maps, masks
        ``(B, C, h, w)`` in [0, 1], ``(B, 2, h, w)`` and ``(B, 1, h, w)`` in {0, 1}.
    generator
        On the device of the tensors.

    Returns
    -------
    images, maps, masks
        The same shapes; the masks stay in {0, 1} and the images in [0, 1], zero outside the brain.
    """
    count = images.shape[1]
    stacked = deform(torch.cat([images, maps, masks], dim=1), generator)
    images, maps, masks = stacked[:, :count], stacked[:, count:-1], (stacked[:, -1:] > 0.5).float()
    return change_intensities(images, generator), maps, masks


def deform(stacked: Tensor, generator: torch.Generator) -> Tensor:
    """Left-right flip, rotation, scaling, shift and a smooth random displacement of ``(B, N, h, w)``."""
    batch, device = stacked.shape[0], stacked.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=generator, device=device) * (high - low) + low

    angle = uniform(-math.pi / 10, math.pi / 10)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    wide, tall = uniform(0.85, 1.18), uniform(0.85, 1.18)
    theta = torch.stack(
        [
            torch.stack([flip * cos * wide, -sin * tall, uniform(-0.08, 0.08)], dim=1),
            torch.stack([flip * sin * wide, cos * tall, uniform(-0.08, 0.08)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, list(stacked.shape), align_corners=False)
    coarse = torch.randn(batch, 2, 6, 6, generator=generator, device=device) * uniform(0.0, 0.035).view(-1, 1, 1, 1)
    smooth = F.interpolate(coarse, stacked.shape[-2:], mode="bicubic", align_corners=False)
    return F.grid_sample(stacked, grid + smooth.permute(0, 2, 3, 1), align_corners=False)


def change_intensities(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gain, gamma, offset, a smooth bias field and noise, drawn for each modality of each slice."""
    batch, channels, height, width = images.shape
    device = images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, channels, 1, 1, generator=generator, device=device) * (high - low) + low

    brain = images.amax(dim=1, keepdim=True) > 0
    bias = F.interpolate(
        torch.randn(batch, channels, 3, 3, generator=generator, device=device),
        (height, width),
        mode="bicubic",
        align_corners=False,
    )
    changed = images.clamp(0, 1) ** torch.exp(uniform(-0.35, 0.35))
    changed = changed * uniform(0.85, 1.15) * (1 + 0.08 * bias) + uniform(-0.06, 0.06)
    noise = torch.randn(images.shape, generator=generator, device=device)
    changed = changed + noise * uniform(0.0, 0.04)
    return changed.clamp(0, 1) * brain
