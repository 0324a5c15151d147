"""DeepLabv3+ gives logits at the input's size, and no weight of it is fetched."""

from __future__ import annotations

import pytest
import torch

from src_training.baselines.deeplabv3plus import deeplabv3plus
from src_training.recipe import RecipeError


@pytest.mark.usefixtures("no_network")
def test_it_gives_logits_at_full_resolution_without_a_network() -> None:
    torch.manual_seed(0)
    network = deeplabv3plus(encoder="resnet18").eval()
    images = torch.rand(2, 4, 32, 64)
    logits = network(images)
    assert logits.shape == (2, 2, 32, 64)
    assert float(logits.detach().min()) < 0  # no softmax at the end
    images[:, 3] = 0
    assert not torch.allclose(logits, network(images))


def test_the_default_encoder_is_resnet34() -> None:
    with torch.device("meta"):
        network = deeplabv3plus()
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(22.4, abs=0.1)


def test_an_unknown_encoder_is_the_user_s_error() -> None:
    with pytest.raises(RecipeError, match=r"^baselines\.encoder"):
        deeplabv3plus(encoder="resnet35")
