"""Random changes of the lesions of a training batch: few patients show few of the looks that a lesion can have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def brain_mean(images: Tensor) -> Tensor:
    """Mean of each modality over the brain, ``(B, C, 1, 1)``, of images ``(B, C, h, w)`` that are zero outside it."""
    brain = images.amax(dim=1, keepdim=True) > 0
    return images.sum((2, 3), keepdim=True) / brain.sum((2, 3), keepdim=True).clamp(min=1)


def recolour(images: Tensor, masks: Tensor, generator: torch.Generator, *, share: float = 0.4) -> Tensor:
    """Change the intensities inside lesions, modality by modality: cysts, haemorrhage, solid and mixed cores.

    Half of the changed lesions change as a whole, within a margin of two pixels; the others in random patches.

    Parameters
    ----------
    images, masks
        ``(B, C, h, w)`` in [0, 1] and ``(B, 1, h, w)`` in {0, 1}.
    generator
        On the device of the tensors.
    share
        Probability that a slice's lesion changes.

    Returns
    -------
    Tensor
        ``(B, C, h, w)`` in [0, 1].
    """
    batch, channels, height, width = images.shape
    device = images.device

    def uniform(count: int = 1) -> Tensor:
        return torch.rand(batch, count, 1, 1, generator=generator, device=device)

    def field(cells: int, count: int) -> Tensor:
        coarse = torch.randn(batch, count, cells, cells, generator=generator, device=device)
        return F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)

    core = 1 - F.max_pool2d(1 - masks, 5, stride=1, padding=2)
    where = core * ((field(12, 1) > 0) | (uniform() < 0.5)) * (uniform() < share)
    weight = F.avg_pool2d(where, 3, stride=1, padding=1) * masks * (uniform(channels) < 0.6)
    mean = brain_mean(images)
    shifted = images + mean * (uniform(channels) * 1.4 - 0.8)
    painted = mean * (uniform(channels) * 1.8 + 0.05) + 0.3 * (images - mean)
    new = torch.where(uniform(channels) < 0.5, shifted, painted) + 0.06 * field(24, channels) * uniform(channels)
    return torch.lerp(images, new.clamp(0, 1), weight)
