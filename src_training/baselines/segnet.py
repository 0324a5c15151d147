"""SegNet (Badrinarayanan et al. 2017): a decoder that puts values back where the encoder's max-pooling took them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torchvision.models import vgg16_bn


class SegNet(nn.Module):
    """The 13 convolutions of VGG16 with batch normalisation, and their mirror image behind max-unpooling.

    As in the authors' released model the mirror of the first convolution gives the classes, so that the decoder has
    13 convolutions, too. All start as in VGG: He's initialisation, biases at zero. Nothing is pretrained.

    Parameters
    ----------
    modalities
        C, the number of image channels.
    classes
        Number of classes, the background among them.
    """

    def __init__(self, modalities: int = 4, classes: int = 2) -> None:
        super().__init__()
        with torch.device("meta"):  # VGG's classifier, nine tenths of its weights, is never allocated
            features = vgg16_bn(weights=None, init_weights=False).features
        features.to_empty(device=torch.get_default_device())
        features[0] = nn.Conv2d(modalities, features[0].out_channels, 3, padding=1)
        encoder = _stages(features)
        decoder = [_mirror(stage) for stage in reversed(encoder)]
        # Drop convolution, normalisation and ReLU to the image's channels for one to the classes.
        decoder[-1] = nn.Sequential(*decoder[-1][:-3], nn.Conv2d(features[0].out_channels, classes, 3, padding=1))
        self.encoder = nn.ModuleList(encoder)
        self.decoder = nn.ModuleList(decoder)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """Segment slices.

        Parameters
        ----------
        images
            ``(B, C, h, w)`` in [0, 1].

        Returns
        -------
        Tensor
            Logits ``(B, classes, h, w)``.

        Raises
        ------
        ValueError
            If h or w is not a multiple of 32: each of the five poolings must halve it exactly.
        """
        factor = 2 ** len(self.encoder)
        if images.shape[-2] % factor or images.shape[-1] % factor:
            raise ValueError(f"SegNet needs sides that are multiples of {factor}, not {tuple(images.shape[-2:])}")
        x, places = images, []
        for stage in self.encoder:
            x, place = self.pool(stage(x))
            places.append(place)
        for stage in self.decoder:
            x = stage(self.unpool(x, places.pop()))
        return x

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()


def _stages(features: Iterable[nn.Module]) -> list[nn.Sequential]:
    """The layers between VGG's poolings, which themselves are left out: theirs do not give their indices."""
    stages: list[nn.Sequential] = []
    layers: list[nn.Module] = []
    for layer in features:
        if isinstance(layer, nn.MaxPool2d):
            stages.append(nn.Sequential(*layers))
            layers = []
        else:
            layers.append(layer)
    return stages


def _mirror(stage: nn.Sequential) -> nn.Sequential:
    """A stage of the decoder: the convolutions of the encoder's stage backwards, with their widths exchanged."""
    layers: list[nn.Module] = []
    for layer in reversed(stage):
        if isinstance(layer, nn.Conv2d):
            width = layer.in_channels
            layers += [nn.Conv2d(layer.out_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(True)]
    return nn.Sequential(*layers)
