"""The autoencoder has the paper's layers, and the ensembles' loss is Eq 9."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_ddmd.model.autoencoder import Autoencoder, Ensemble, reconstruction_loss
from napari_ddmd.model.settings import AutoencoderSettings

SMALL = AutoencoderSettings(size=16, widths=(4, 8, 8, 8), hidden=12, latent=3)


@pytest.mark.parametrize("settings", [SMALL, AutoencoderSettings()])
def test_layers_are_those_of_the_paper(settings: AutoencoderSettings) -> None:
    network = Autoencoder(settings)
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(nn.Conv2d) == 4
    assert kinds.count(nn.Linear) == 3
    assert kinds.count(nn.ConvTranspose2d) == 4
    images = torch.rand(2, 4, settings.size, settings.size)
    assert network(images).shape == images.shape


def test_everything_passes_through_the_bottleneck() -> None:
    network = Autoencoder(SMALL).eval()
    widths = [layer.out_features for layer in network.bottleneck if isinstance(layer, nn.Linear)]
    assert min(widths) == SMALL.latent
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x).flatten(), torch.rand(1, 4, 16, 16))
    assert torch.linalg.matrix_rank(jacobian.reshape(1024, 1024), rtol=1e-4) <= SMALL.latent


def test_members_differ_in_their_first_weights_only() -> None:
    ensemble = Ensemble(SMALL)
    weights = [member.encoder[0].weight for member in ensemble.members]
    assert len(weights) == 3
    assert not torch.equal(weights[0], weights[1])
    assert ensemble(torch.rand(2, 4, 16, 16)).shape == (3, 2, 4, 16, 16)


def test_loss_sums_over_members_and_averages_over_slices() -> None:
    images = torch.zeros(2, 1, 2, 2)
    reconstructions = torch.stack([torch.full_like(images, value) for value in (1.0, 2.0, 3.0)])
    assert float(reconstruction_loss(reconstructions, images)) == pytest.approx(1 + 4 + 9)


def test_a_size_that_cannot_be_halved_four_times_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of 16"):
        Autoencoder(AutoencoderSettings(size=24))
