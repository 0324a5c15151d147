"""The strongest plain U-Net at equal compute: the denoiser's own backbone, which sees the images alone."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_ddmd.model.denoiser import PatchedUNet, image_channels
from napari_ddmd.model.settings import ModelSettings


class TunedUNet(PatchedUNet):
    """The denoiser without noise: no noisy mask and no maps go in, the timestep is always 0.

    The paper has no such rival. One evaluation costs what one of the denoiser costs, but for the few input channels
    fewer, so that a difference in accuracy is due to the diffusion and the maps.

    Parameters
    ----------
    settings
        Widths, levels and stem of the denoiser; the variant and the prediction do not matter here.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings, inputs=image_channels(settings), outputs=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, 1, h, w)`` of slices with their neighbours ``(B, N C, h, w)`` in [0, 1].

        They enter as the denoiser sees them.
        """
        timesteps = torch.zeros(len(images), dtype=torch.long, device=images.device)
        return self.evaluate(self.patches(2 * images - 1), timesteps)
