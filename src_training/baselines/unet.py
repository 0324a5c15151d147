"""U-Net (Ronneberger et al. 2015) as segmentation-models-pytorch builds it."""

from __future__ import annotations

from torch import nn

from src_training.baselines.smp import smp_network


def unet(modalities: int = 4, classes: int = 2, encoder: str = "resnet34") -> nn.Module:
    """A plain U-Net with random weights: ``(B, C, h, w)`` in [0, 1] to logits ``(B, classes, h, w)``.

    Sides must be multiples of 32. An encoder that the library lacks is a `RecipeError`.
    """
    return smp_network("Unet", encoder, modalities, classes)
