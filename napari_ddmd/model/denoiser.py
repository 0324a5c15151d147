"""The denoiser: diffusers' U-Net over ``b + X + Y + x_t`` (Eq 15)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_ddmd.case import MODALITIES
from napari_ddmd.model.schedule import NoiseSchedule
from napari_ddmd.model.settings import ModelSettings
from napari_ddmd.torch_guard import keep_triton_out

_one_at_a_time: Final = Lock()


def condition(images: Tensor, inter: Tensor, intra: Tensor, settings: ModelSettings) -> Tensor:
    """What the denoiser is told of a slice: ``b + X + Y`` for ``full``, less for the smaller variants (Eq 15).

    Parameters
    ----------
    images
        ``(B, N C, h, w)`` in [0, 1]: the slice, and after it the neighbours that the settings ask for.
    inter, intra
        ``(B, h, w)`` maps.
    settings
        The variant and the scales of the maps.

    Returns
    -------
    Tensor
        ``(B, C', h, w)`` with C' = N C, N C + 1 or N C + 2; all channels about zero and within about one.
    """
    channels = [2 * images - 1]
    if settings.uses_inter:
        channels.append(inter[:, None] / settings.diffusion.inter_scale)
    if settings.uses_intra:
        channels.append(intra[:, None] / settings.diffusion.intra_scale)
    return torch.cat(channels, dim=1)


def image_channels(settings: ModelSettings) -> int:
    """Channels of the images that the denoiser is told of, the neighbouring slices' with them."""
    return settings.context.shown * len(MODALITIES)


def _diffusers() -> tuple[Callable[..., Any], Callable[[nn.Module], None]]:
    """Load what makes U-Nets when one is made: it takes two seconds, and a model's name or a list of options less."""
    with _one_at_a_time:  # a thread that waits for this import in another one is given half of a package
        keep_triton_out()  # it brings triton
        try:
            with torch.device("cpu"):  # what is imported is made for good, networks perhaps for their shapes alone
                from diffusers import UNet2DModel

                from napari_ddmd.model.residual import make_lean
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # whatever a broken installation says: no model is to blame
            raise ImportError(str(error)) from error
    return UNet2DModel, make_lean


class PatchedUNet(nn.Module):
    """Improved-DDPM U-Net behind a pixel-unshuffle stem: what `Denoiser` and its plain rival in training are made of.

    Parameters
    ----------
    settings
        Widths, levels and stem; the frame's size must fit them.
    inputs, outputs
        Channels at full resolution.
    """

    def __init__(self, settings: ModelSettings, inputs: int, outputs: int) -> None:
        super().__init__()
        denoiser = settings.denoiser
        self.patch = denoiser.patch
        factor = self.patch * 2 ** (len(denoiser.channels) - 1)
        if settings.frame.size % factor:
            raise ValueError(f"frame size {settings.frame.size} is not a multiple of {factor}")
        attention = [level in denoiser.attention_levels for level in range(len(denoiser.channels))]
        make_unet, make_lean = _diffusers()
        self.unet = make_unet(
            sample_size=settings.frame.size // self.patch,
            in_channels=inputs * self.patch**2,
            out_channels=outputs * self.patch**2,
            block_out_channels=denoiser.channels,
            layers_per_block=denoiser.layers_per_block,
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
            attention_head_dim=None,  # one head, as in Improved DDPM
            add_attention=any(attention),
            attn_norm_num_groups=denoiser.norm_groups,  # without it the middle's attention is not normalised
            norm_num_groups=denoiser.norm_groups,
            resnet_time_scale_shift="scale_shift",
            dropout=denoiser.dropout,
        )
        make_lean(self.unet)

    def patches(self, stacked: Tensor) -> Tensor:
        """Channels of the stem, ``(B, N patch², h / patch, w / patch)``, of ``(B, N, h, w)``; each by itself."""
        return F.pixel_unshuffle(stacked, self.patch)

    def evaluate(self, patches: Tensor, t: Tensor) -> Tensor:
        """All inputs' patches at the timesteps ``(B,)`` to ``(B, outputs, h, w)``."""
        output: Tensor = self.unet(patches, t).sample
        return F.pixel_shuffle(output, self.patch)


class Denoiser(PatchedUNet):
    """The network that takes noise off a mask, told of the images and maps.

    Parameters
    ----------
    settings
        Variant (number of input channels), widths, whether the variance is learned and the noisy mask scaled.
    """

    def __init__(self, settings: ModelSettings) -> None:
        inputs = image_channels(settings) + settings.uses_inter + settings.uses_intra + 1
        diffusion = settings.diffusion
        super().__init__(settings, inputs, outputs=2 if diffusion.learned_variance else 1)
        self.learned_variance = diffusion.learned_variance
        self._input_scales: Tensor | None = None
        if diffusion.scaled_input:
            with torch.device("cpu"):  # wherever the weights are made
                schedule = NoiseSchedule.of(diffusion)
                self._input_scales = schedule.alphas_cumprod.sqrt().float()

    def forward(self, x_t: Tensor, t: Tensor, conditioning: Tensor) -> tuple[Tensor, Tensor | None]:
        """One evaluation.

        Parameters
        ----------
        x_t
            Noisy mask, ``(B, 1, h, w)``.
        t
            0-based timesteps, ``(B,)``.
        conditioning
            Output of `condition`, ``(B, C', h, w)``, or what `patches` made of it: once for all masks of a slice.

        Returns
        -------
        output, variance
            ``(B, 1, h, w)`` each; the variance interpolant (in [-1, 1]) is None unless it is learned.
        """
        if conditioning.shape[2:] == x_t.shape[2:]:
            conditioning = self.patches(conditioning)
        if self._input_scales is not None:
            x_t = x_t * self._input_scales.to(x_t)[t].view(-1, 1, 1, 1)
        output = self.evaluate(torch.cat([conditioning, self.patches(x_t)], dim=1), t)
        if not self.learned_variance:
            return output, None
        return output[:, :1], output[:, 1:]
