"""Random changes of a training batch, all on the batch's device and from one generator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from src_training.augment_lesions import brain_mean, recolour, smooth_field

AUGMENTATION = 1
"""Version of what the augmentation does, here and in `augment_lesions`; to be raised when that changes."""
LOST = 0.12
"""Share of the slices of which a whole modality is missing, and with it the maps."""
NOISE = 0.08
"""Largest standard deviation of the noise, which is drawn for every slice anew."""
NO_MAPS = 0.1
"""Share of the slices of which the maps alone are missing, as for ``compact`` 7 (docs/experiments.md)."""
CUT_OFF = 0.08
"""Share of the slices of which a rectangle of one modality is missing, as where a scan does not cover the brain."""


def augment(images: Tensor, maps: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Deform images, maps and masks together, and change the images' intensities.

    Parameters
    ----------
    images, maps, masks
        ``(B, N C, h, w)`` in [0, 1], ``(B, 2, h, w)`` and ``(B, N, h, w)`` in {0, 1}: a slice with its neighbours, to
        all of which the same happens.
    generator
        On the device of the tensors.

    Returns
    -------
    images, maps, masks
        The same shapes; the masks stay in {0, 1} and the images in [0, 1], zero outside the brain.
    """
    count, shown = images.shape[1], masks.shape[1]
    stacked = deform(torch.cat([images, maps, masks], dim=1), generator)
    images, maps, masks = stacked[:, :count], stacked[:, count:-shown], (stacked[:, -shown:] > 0.5).float()
    stack = images.view(len(images), shown, -1, *images.shape[2:])
    stack = change_intensities(recolour(stack, masks[:, :, None], generator), generator)
    gone = lost((len(stack), *stack.shape[2:]), generator)
    unmapped = torch.rand(len(stack), generator=generator, device=stack.device) < NO_MAPS
    unmapped |= gone.all(dim=(2, 3)).any(dim=1)  # without a modality there are none, as in `CaseSampler`
    maps = maps * ~unmapped[:, None, None, None]
    return (stack * ~gone[:, None]).flatten(1, 2), maps, masks


def told_augmentation(*, is_on: bool) -> dict[str, int]:
    """What the fingerprint of a training says of it: nothing where there is none, or of the first version."""
    return {"augmentation": AUGMENTATION} if is_on and AUGMENTATION > 1 else {}


def deform(stacked: Tensor, generator: torch.Generator) -> Tensor:
    """Left-right flip, rotation, shear, scaling, shift and smooth random displacements of ``(B, N, h, w)``."""
    batch, device = stacked.shape[0], stacked.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=generator, device=device) * (high - low) + low

    angle = uniform(-math.pi / 9, math.pi / 9)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    wide, tall, shear = uniform(0.82, 1.22), uniform(0.82, 1.22), uniform(-0.06, 0.06)
    theta = torch.stack(
        [
            torch.stack([flip * cos * wide, (shear - sin) * tall, uniform(-0.08, 0.08)], dim=1),
            torch.stack([flip * sin * wide, cos * tall, uniform(-0.08, 0.08)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, list(stacked.shape), align_corners=False)
    for cells, most in ((5, 0.04), (10, 0.012)):
        smooth = smooth_field((batch, 2, *stacked.shape[-2:]), cells, generator) * uniform(0.0, most).view(-1, 1, 1, 1)
        grid = grid + smooth.permute(0, 2, 3, 1)
    return F.grid_sample(stacked, grid, align_corners=False)


def change_intensities(stack: Tensor, generator: torch.Generator) -> Tensor:
    """Gamma, contrast, offset, bias field, resolution and noise, drawn for each modality.

    The resolution of those that are made coarser is the same throughout a batch.

    Parameters
    ----------
    stack
        ``(B, N, C, h, w)`` in [0, 1]: the N slices of a stack change in the same way, but for the noise.
    generator
        On the device of the stack.

    Returns
    -------
    Tensor
        The same shape, in [0, 1], zero outside the brain.
    """
    batch, _, channels, height, width = stack.shape
    device = stack.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, 1, channels, 1, 1, generator=generator, device=device) * (high - low) + low

    def field(cells: int) -> Tensor:
        return smooth_field((batch, channels, height, width), cells, generator)[:, None]

    brain = stack.amax(dim=2, keepdim=True) > 0
    changed = stack.clamp(0, 1) ** torch.exp(uniform(-0.5, 0.5))
    mean = brain_mean(changed)
    changed = (changed - mean) * uniform(0.7, 1.35) + mean * uniform(0.8, 1.25)
    changed = changed * torch.exp(field(3) * 0.4 * uniform(0, 1) ** 2 + field(5) * 0.16 * uniform(0, 1) ** 2)
    factor = 1.5 + 1.5 * float(torch.rand(1, generator=generator, device=device))
    changed = torch.where(uniform(0, 1) < 0.2, coarsen(changed, factor), changed)
    noise = torch.randn(stack.shape, generator=generator, device=device)
    changed = changed + noise * NOISE * uniform(0, 1) ** 2
    return changed.clamp(0, 1) * brain


def coarsen(stack: Tensor, factor: float) -> Tensor:
    """Lower the resolution by a factor and bring back the size, as of an image from a coarser scan."""
    coarse = F.interpolate(stack.flatten(1, 2), scale_factor=1 / factor, mode="area")
    return F.interpolate(coarse, stack.shape[-2:], mode="bilinear", align_corners=False).view_as(stack)


def lost(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Where a modality is missing: of some slices a whole one (`LOST`), of others a rectangle of one (`CUT_OFF`).

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
    return chosen & ((kind < LOST) | ((kind < LOST + CUT_OFF) & inside))
