"""The autoencoder of the paper, and the two ensembles of it (Section 3.2, Eq 9 to 11)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_ddmd.model.settings import AutoencoderSettings


class Autoencoder(nn.Module):
    """Four convolutions, three fully connected layers, four transposed convolutions.

    The paper fixes the numbers of layers; the kernels and widths follow DDAD (Cai et al.), from which its maps
    come: 4x4 kernels of stride 2, batch normalisation and ReLU, a narrow bottleneck.

    Parameters
    ----------
    settings
        Input size and widths.
    modalities
        C, the number of image channels.
    """

    def __init__(self, settings: AutoencoderSettings, modalities: int = 4) -> None:
        super().__init__()
        factor = 2 ** len(settings.widths)
        if settings.size % factor:
            raise ValueError(f"autoencoder size {settings.size} is not a multiple of {factor}")
        widths = (modalities, *settings.widths)
        side = settings.size // factor
        features = widths[-1] * side * side
        encoder: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            encoder += [nn.Conv2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(True)]
        decoder: list[nn.Module] = []
        for narrow, wide in zip(widths[:1:-1], widths[-2:0:-1], strict=False):
            decoder += [
                nn.ConvTranspose2d(narrow, wide, 4, 2, 1, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(True),
            ]
        decoder.append(nn.ConvTranspose2d(widths[1], modalities, 4, 2, 1))
        self.encoder = nn.Sequential(*encoder, nn.Flatten())
        self.bottleneck = nn.Sequential(
            nn.Linear(features, settings.hidden),
            nn.ReLU(True),
            nn.Linear(settings.hidden, settings.latent),
            nn.Linear(settings.latent, features),
            nn.ReLU(True),
        )
        self.decoder = nn.Sequential(nn.Unflatten(1, (widths[-1], side, side)), *decoder)

    def forward(self, images: Tensor) -> Tensor:
        """Reconstruct ``(B, C, h, w)`` slices in [0, 1]."""
        reconstruction: Tensor = self.decoder(self.bottleneck(self.encoder(images)))
        return reconstruction


class Ensemble(nn.Module):
    """L autoencoders of one architecture that differ in their initial weights (AE-1 or AE-2)."""

    def __init__(self, settings: AutoencoderSettings, modalities: int = 4) -> None:
        super().__init__()
        self.members = nn.ModuleList(Autoencoder(settings, modalities) for _ in range(settings.members))

    def forward(self, images: Tensor) -> Tensor:
        """Reconstructions ``(L, B, C, h, w)`` of ``(B, C, h, w)`` slices."""
        return torch.stack([member(images) for member in self.members])


def reconstruction_loss(reconstructions: Tensor, images: Tensor) -> Tensor:
    """Eq 9 and Eq 10: squared error of ``(L, B, C, h, w)``, summed over the members, mean over slices and pixels."""
    return (reconstructions.float() - images).square().mean(dim=(1, 2, 3, 4)).sum()
