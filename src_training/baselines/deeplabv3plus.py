"""DeepLabv3+ (Chen et al. 2018) as segmentation-models-pytorch builds it."""

from __future__ import annotations

from torch import nn

from src_training.baselines.smp import smp_network


def deeplabv3plus(modalities: int = 4, classes: int = 2, encoder: str = "resnet34") -> nn.Module:
    """DeepLabv3+ with random weights: ``(B, C, h, w)`` in [0, 1] to logits ``(B, classes, h, w)``.

    Sides must be multiples of 16. It trains on two slices or more at once: the pooled branch of its pyramid has one
    value a slice and channel, which batch normalisation cannot do with alone. An encoder that the library lacks, or
    that cannot be dilated, is a `RecipeError`.
    """
    return smp_network("DeepLabV3Plus", encoder, modalities, classes)
