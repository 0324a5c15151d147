"""The library's networks come without a download, and what cannot be built names the setting."""

from __future__ import annotations

import urllib.request

import pytest
import torch

from src_training.baselines.smp import smp_network
from src_training.recipe import RecipeError


@pytest.mark.usefixtures("no_network")
def test_the_fixture_catches_a_download() -> None:
    with pytest.raises(pytest.fail.Exception, match="network"):
        urllib.request.urlopen("http://127.0.0.1:9")


@pytest.mark.parametrize(("modalities", "classes"), [(4, 2), (1, 3)])
def test_channels_are_as_asked(modalities: int, classes: int) -> None:
    network = smp_network("Unet", "resnet18", modalities, classes).eval()
    assert network(torch.rand(1, modalities, 32, 64)).shape == (1, classes, 32, 64)


@pytest.mark.parametrize("name", ["resnet35", "", "tu-nothing"])
def test_an_unknown_encoder_names_the_setting(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"^baselines\.encoder: .* no encoder '{name}'.*resnet34$"):
        smp_network("Unet", name, 4, 2)


def test_an_encoder_that_cannot_be_dilated_names_the_setting() -> None:
    with pytest.raises(RecipeError, match=r"^baselines\.encoder: vgg11 does not go with DeepLabV3Plus: .+$"):
        smp_network("DeepLabV3Plus", "vgg11", 4, 2)
