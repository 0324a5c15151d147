"""Random changes of a training batch, all on the batch's device and from one generator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from src_training.augment_lesions import brain_mean, recolour


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
    return change_intensities(recolour(images, masks, generator), generator), maps, masks


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
    """Gamma, contrast, offset, bias field, blur, noise and lost parts, drawn for each modality of each slice."""
    batch, channels, height, width = images.shape
    device = images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, channels, 1, 1, generator=generator, device=device) * (high - low) + low

    brain = images.amax(dim=1, keepdim=True) > 0
    changed = images.clamp(0, 1) ** torch.exp(uniform(-0.5, 0.5))
    mean = brain_mean(changed)
    bias = F.interpolate(
        torch.randn(batch, channels, 3, 3, generator=generator, device=device),
        (height, width),
        mode="bicubic",
        align_corners=False,
    )
    changed = (changed - mean) * uniform(0.7, 1.35) + mean * uniform(0.8, 1.25)
    changed = changed * (1 + 0.12 * bias)
    changed = torch.where(uniform(0, 1) < 0.2, blur(changed), changed)
    noise = torch.randn(images.shape, generator=generator, device=device)
    changed = changed + noise * 0.06 * uniform(0, 1) ** 2
    return changed.clamp(0, 1) * brain * ~lost(images.shape, generator)


def blur(images: Tensor) -> Tensor:
    """Halve the resolution and bring back the size, as of an image from a coarser scan."""
    coarse = F.avg_pool2d(images, 2, ceil_mode=True)
    return F.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False)


def lost(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Where a modality is missing: in one slice of ten a whole one, in one of ten a rectangle of one.

    Returns
    -------
    Tensor
        ``(B, C, h, w)``, bool.
    """
    batch, channels, height, width = shape
    device = generator.device

    def uniform() -> Tensor:
        return torch.rand(batch, 1, 1, 1, generator=generator, device=device)

    kind = uniform()
    chosen = (uniform() * channels).long() == torch.arange(channels, device=device).view(1, -1, 1, 1)
    y = torch.arange(height, device=device).view(1, 1, -1, 1) / height
    x = torch.arange(width, device=device).view(1, 1, 1, -1) / width
    inside = ((y - uniform()).abs() < 0.3 * uniform()) & ((x - uniform()).abs() < 0.3 * uniform())
    return chosen & ((kind < 0.1) | ((kind < 0.2) & inside))
