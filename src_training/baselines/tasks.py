"""What the segmentation networks learn: the paper's negative log-likelihood, or the loss of the denoiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_ddmd.model.losses import dice_cross_entropy
from src_training.augment import augment
from src_training.preview import flair, side_by_side


class SegmentationTask:
    """Images to lesion masks.

    Parameters
    ----------
    changed
        Whether slices are changed at random, as in the denoiser's training.
    """

    def __init__(self, *, changed: bool) -> None:
        self.changed = changed

    def draw(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Images ``(B, N C, h, w)`` in [0, 1] and masks ``(B, 1, h, w)`` in {0, 1}; the batch's maps are left out."""
        images, maps, masks = batch
        if self.changed:
            images, _, masks = augment(images, maps, masks, generator)
        return images, masks[:, :1]

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Negative log-likelihood of two classes, or Dice + cross-entropy where the network has a single logit."""
        images, masks = drawn
        logits = net(images).float()
        if logits.shape[1] == 1:
            return {"loss": dice_cross_entropy(logits, 2 * masks - 1)}
        return {"loss": F.nll_loss(F.log_softmax(logits, dim=1), masks[:, 0].long())}

    def preview(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> Tensor:
        """FLAIR, mask and the lesion's probability, side by side."""
        images, masks = drawn
        return side_by_side([flair(images), masks, lesion_probability(net(images))])


def lesion_probability(logits: Tensor) -> Tensor:
    """Probability ``(B, 1, h, w)`` from the logits of two classes (background, lesion) or of the lesion alone."""
    logits = logits.float()
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)[:, 1:]
