"""SegNet mirrors VGG16, and values go back to where pooling took them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from src_training.baselines.segnet import SegNet


@pytest.fixture(scope="module")
def segnet() -> SegNet:
    torch.manual_seed(0)
    return SegNet().eval()


@pytest.mark.usefixtures("no_network")
def test_it_gives_logits_at_full_resolution(segnet: SegNet) -> None:
    images = torch.rand(2, 4, 32, 64)
    logits = segnet(images).detach()
    assert logits.shape == (2, 2, 32, 64)
    assert torch.isfinite(logits).all()
    assert float(logits.min()) < 0  # no ReLU at the end


def test_encoder_and_decoder_are_vgg16_and_its_mirror(segnet: SegNet) -> None:
    encoder, decoder = (
        [(layer.in_channels, layer.out_channels) for layer in part.modules() if isinstance(layer, nn.Conv2d)]
        for part in (segnet.encoder, segnet.decoder)
    )
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert encoder == list(zip([4, *widths], widths, strict=False))
    assert decoder == [(wide, narrow) for narrow, wide in reversed(encoder[1:])] + [(64, 2)]


def test_one_normalisation_for_each_convolution_but_the_last(segnet: SegNet) -> None:
    kinds = [type(module) for module in segnet.modules()]
    assert kinds.count(nn.Conv2d) == 26
    assert kinds.count(nn.BatchNorm2d) == kinds.count(nn.ReLU) == 25


def test_unpooling_uses_the_places_of_the_same_level(segnet: SegNet) -> None:
    """The first stage of the decoder, given nothing but the deepest maxima, holds them at their places."""
    seen: list[torch.Tensor] = []
    hooks = [
        segnet.encoder[-1].register_forward_hook(lambda _, __, output: seen.append(output)),
        segnet.decoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])),
    ]
    segnet(torch.rand(1, 4, 64, 64))
    for hook in hooks:
        hook.remove()
    features, unpooled = seen
    kept = unpooled != 0
    assert kept.any()
    torch.testing.assert_close(unpooled[kept], features[kept])
    torch.testing.assert_close(F.max_pool2d(unpooled, 2), F.max_pool2d(features, 2))


def test_weights_start_as_he_says(segnet: SegNet) -> None:
    first = segnet.encoder[0][0]
    assert float(first.weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert not first.bias.detach().any()
    for module in segnet.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.detach().eq(1).all()
            assert module.running_mean is not None
            assert module.running_mean.eq(0).all()


def test_a_seed_fixes_the_weights(segnet: SegNet) -> None:
    torch.manual_seed(0)
    for name, tensor in SegNet().state_dict().items():
        assert torch.equal(tensor, segnet.state_dict()[name]), name


def test_channels_are_as_asked_and_every_weight_learns() -> None:
    network = SegNet(modalities=1, classes=3)
    F.cross_entropy(network(torch.rand(2, 1, 32, 32)), torch.randint(3, (2, 32, 32))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.encoder[0][0].weight.grad.any()


def test_it_can_be_counted_without_memory() -> None:
    with torch.device("meta"):
        network = SegNet()
    assert {p.device.type for p in network.parameters()} == {"meta"}


@pytest.mark.parametrize("shape", [(48, 64), (64, 48)])
def test_a_size_that_cannot_be_halved_five_times_is_refused(segnet: SegNet, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^SegNet needs sides that are multiples of 32, not \(.+\)$"):
        segnet(torch.rand(1, 4, *shape))
