"""CIMD (Rahman et al., CVPR 2023): diffusion from the images alone, held to the masks' ambiguity by two encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.nn import functional as F

from napari_ddmd.model.denoiser import Denoiser, condition, image_channels
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import ModelSettings
from src_training.diffusion import DiffusionTask, implied_mask, prediction_loss

# As in the authors' code, but for the input, which has one modality there.
ENCODER_WIDTHS = (32, 64, 128, 192)
CONVOLUTIONS_A_LEVEL = 3
LATENT = 6
KL_WEIGHT = 0.001


class GaussianEncoder(nn.Module):
    """The axis-aligned Gaussian encoder of the Probabilistic U-Net (Kohl et al. 2018): slice and mask to a latent.

    Levels of 3x3 convolutions with ReLU, an average pooling between two levels, and the mean over the slice. The
    pixel-unshuffle stem is the denoiser's (none in the authors' code), so that the encoders cost in proportion.

    Parameters
    ----------
    patch
        Pixel-unshuffle factor.
    images
        Channels of the images.
    widths
        Channels of each level.
    latent
        Dimensions of the Gaussian.
    """

    def __init__(self, patch: int, images: int, widths: Sequence[int] = ENCODER_WIDTHS, latent: int = LATENT) -> None:
        super().__init__()
        self.patch = patch
        channels = (images + 1) * patch**2
        layers: list[nn.Module] = []
        for level, width in enumerate(widths):
            if level:
                layers.append(nn.AvgPool2d(2, ceil_mode=True))
            for _ in range(CONVOLUTIONS_A_LEVEL):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(True)]
                channels = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels, 2 * latent)
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                nn.init.trunc_normal_(parameter, std=0.001)

    def forward(self, conditioning: Tensor, mask: Tensor) -> Distribution:
        """Gaussian over ``(B, latent)`` of images ``(B, N C, h, w)`` and masks ``(B, 1, h, w)``, both about [-1, 1]."""
        features = self.layers(F.pixel_unshuffle(torch.cat([conditioning, mask], dim=1), self.patch))
        mean, log_sigma = self.head(features.mean(dim=(2, 3))).float().chunk(2, dim=1)
        # Unchecked: a training that went astray is to end with the loop's own message.
        return Independent(Normal(mean, log_sigma.exp(), validate_args=False), 1, validate_args=False)


class CimdNetwork(nn.Module):
    """The denoiser of DDMD-mini with CIMD's two encoders beside it.

    The *ambiguity modelling network*, the posterior Q(z | b, x_b), sees the images and the true mask. The *ambiguity
    controlling network*, the prior P(z | b, x̂_b), sees the images and the mask that the denoiser predicts. Training
    adds D(Q ‖ P) to the loss, and its gradient reaches the denoiser through x̂_b. The latent serves for nothing else:
    the denoiser is not told of it, and none is ever sampled. As in the authors' code, masks are then sampled by the
    denoiser alone; those of a slice differ by the sampler's noise.

    Two things differ from the authors' code. There, the prior sees the denoiser's raw output (the noise ε); here, the
    clean mask that the output implies, so that it is the same for every kind of prediction. And there, the optimiser is
    given the denoiser alone; here, the encoders learn, too, as the paper has it.

    Parameters
    ----------
    settings
        Of the denoiser; the variant does not matter.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = replace(settings, variant="mini")
        self.schedule = NoiseSchedule.of(settings.diffusion)
        self.denoiser = Denoiser(self.settings)  # first, so that it starts from the weights of DDMD-mini's
        self.prior = GaussianEncoder(settings.denoiser.patch, image_channels(settings))
        self.posterior = GaussianEncoder(settings.denoiser.patch, image_channels(settings))

    def forward(self, x_t: Tensor, t: Tensor, images: Tensor, x0: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """One evaluation in training; every parameter takes part.

        Parameters
        ----------
        x_t, x0
            Noisy and clean masks, ``(B, 1, h, w)``, the clean ones in {−1, 1}.
        t
            0-based timesteps, ``(B,)``.
        images
            ``(B, N C, h, w)`` in [0, 1].

        Returns
        -------
        output, variance
            As from `Denoiser`.
        divergence
            D(Q ‖ P) in nats, ``(B,)``.
        """
        conditioning = self._condition(images)
        output, variance = self.denoiser(x_t, t, conditioning)
        prediction = implied_mask(output, x_t, t, self.schedule, self.settings.diffusion.prediction)
        posterior, prior = self.posterior(conditioning, x0), self.prior(conditioning, prediction)
        return output, variance, kl_divergence(posterior, prior)

    def _condition(self, images: Tensor) -> Tensor:
        unused = images[:, 0]  # in the place of maps, which the variant is not shown
        return condition(images, unused, unused, self.settings)


class CimdTask(DiffusionTask):
    """Training of a `CimdNetwork`: DDMD's draws and its loss, and 0.001 D(Q ‖ P).

    No noise is drawn for the latent: the divergence has a closed form.
    """

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Losses of some rows: ``diffusion`` as DDMD's, ``kl`` in nats before it is weighted."""
        images, _, x0, t, noise = drawn
        x_t = self.schedule.add_noise(x0, noise, t)
        output, variance, divergence = net(x_t, t, images, x0)
        losses = prediction_loss(output.float(), variance, x0, x_t, noise, t, self.schedule, self.settings, self.recipe)
        kl = divergence.mean()
        return {**losses, "loss": losses["loss"] + KL_WEIGHT * kl, "diffusion": losses["loss"], "kl": kl}

    def output(self, net: nn.Module, drawn: tuple[Tensor, ...], x_t: Tensor, t: Tensor) -> Tensor:
        """The denoiser's raw output ``(B, 1, h, w)`` for noisy masks."""
        images, _, x0, *_ = drawn
        output: Tensor = net(x_t, t, images, x0)[0]
        return output
