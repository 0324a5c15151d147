"""Random changes of the lesions of a training batch: few patients show few of the looks that a lesion can have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def brain_mean(stack: Tensor) -> Tensor:
    """Mean of each modality over the brain, ``(B, 1, C, 1, 1)``, of stacks ``(B, N, C, h, w)`` zero outside it."""
    brain = stack.amax(dim=2, keepdim=True) > 0
    return stack.sum((1, 3, 4), keepdim=True) / brain.sum((1, 3, 4), keepdim=True).clamp(min=1)


def smooth_field(shape: tuple[int, int, int, int], cells: int, generator: torch.Generator) -> Tensor:
    """Random fields ``(B, C, h, w)``: standard normal at ``cells`` points along each side, smooth between them."""
    coarse = torch.randn(*shape[:2], cells, cells, generator=generator, device=generator.device)
    return F.interpolate(coarse, shape[2:], mode="bicubic", align_corners=False)


def recolour(stack: Tensor, masks: Tensor, generator: torch.Generator, *, share: float = 0.4) -> Tensor:
    """Change the intensities inside lesions, modality by modality: cysts, haemorrhage, solid and mixed cores.

    Half of the changed lesions change as a whole, within a margin of two pixels; the others in random patches.

    Parameters
    ----------
    stack, masks
        ``(B, N, C, h, w)`` in [0, 1] and ``(B, N, 1, h, w)`` in {0, 1}: the N slices of a stack change alike.
    generator
        On the device of the stack.
    share
        Probability that a stack's lesion changes.

    Returns
    -------
    Tensor
        ``(B, N, C, h, w)`` in [0, 1].
    """
    batch, _, channels, height, width = stack.shape
    device = stack.device

    def uniform(count: int = 1) -> Tensor:
        return torch.rand(batch, 1, count, 1, 1, generator=generator, device=device)

    def field(cells: int, count: int) -> Tensor:
        return smooth_field((batch, count, height, width), cells, generator)[:, None]

    flat = masks[:, :, 0]
    core = 1 - F.max_pool2d(1 - flat, 5, stride=1, padding=2)[:, :, None]
    where = core * ((field(12, 1) > 0) | (uniform() < 0.5)) * (uniform() < share)
    soft = F.avg_pool2d(where[:, :, 0], 3, stride=1, padding=1)[:, :, None]
    weight = soft * masks * (uniform(channels) < 0.6)
    mean = brain_mean(stack)
    shifted = stack + mean * (uniform(channels) * 1.4 - 0.8)
    painted = mean * (uniform(channels) * 1.8 + 0.05) + 0.3 * (stack - mean)
    new = torch.where(uniform(channels) < 0.5, shifted, painted) + 0.06 * field(24, channels) * uniform(channels)
    return torch.lerp(stack, new.clamp(0, 1), weight)
