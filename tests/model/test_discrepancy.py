"""Eq 11 to 13 against the paper's sums, written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_ddmd.model.autoencoder import Ensemble
from napari_ddmd.model.discrepancy import discrepancy_maps, inter_discrepancy, intra_discrepancy
from napari_ddmd.model.settings import AutoencoderSettings

SMALL = AutoencoderSettings(size=16, widths=(4, 8, 8, 8), hidden=12, latent=3)


def test_inter_is_the_mean_absolute_difference_of_the_means() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.random((3, 2, 4, 5, 6)), rng.random((3, 2, 4, 5, 6))
    expected = np.zeros((2, 5, 6))
    for c in range(4):
        expected += np.abs(sum(one[j, :, c] for j in range(3)) / 3 - sum(two[j, :, c] for j in range(3)) / 3) / 4
    found = inter_discrepancy(torch.from_numpy(one).mean(0), torch.from_numpy(two).mean(0))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_intra_divides_by_the_number_of_members() -> None:
    b = np.random.default_rng(1).random((3, 2, 4, 5, 6))
    mean = b.mean(axis=0)
    expected = np.sqrt(sum((b[j, :, c] - mean[:, c]) ** 2 for j in range(3) for c in range(4)) / 3 / 4)
    np.testing.assert_allclose(intra_discrepancy(torch.from_numpy(b)).numpy(), expected, rtol=1e-12)


def test_equal_ensembles_have_no_inter_and_equal_members_no_intra_discrepancy() -> None:
    ensemble = Ensemble(SMALL).eval()
    for member in list(ensemble.members)[1:]:
        member.load_state_dict(ensemble.members[0].state_dict())
    maps = discrepancy_maps(torch.rand(2, 4, 16, 16), ensemble, ensemble, size=16)
    assert maps.inter.abs().max() == 0
    assert maps.intra.abs().max() < 1e-6


def test_maps_are_scaled_up_to_the_frame_and_scores_are_their_means() -> None:
    torch.manual_seed(0)
    one, two = Ensemble(SMALL).eval(), Ensemble(SMALL).eval()
    images = torch.rand(2, 4, 16, 16)
    small = discrepancy_maps(images, one, two, size=16)
    large = discrepancy_maps(torch.nn.functional.interpolate(images, (64, 64)), one, two, size=16)
    assert large.inter.shape == large.intra.shape == (2, 64, 64)
    torch.testing.assert_close(large.inter.mean((1, 2)), small.inter.mean((1, 2)), rtol=0.02, atol=0)
    scores = small.scores(1)
    assert scores.inter == pytest.approx(float(small.inter[1].mean()))
    assert np.mean([scores.per_modality[m]["inter"] for m in scores.per_modality]) == pytest.approx(
        scores.inter, rel=1e-5
    )
    assert list(scores.per_modality) == ["t1", "t1ce", "t2", "flair"]
    assert small.scores(0, intra=False).intra is None


def test_per_modality_scores_see_one_modality_alone() -> None:
    torch.manual_seed(0)
    one, two = Ensemble(SMALL).eval(), Ensemble(SMALL).eval()
    images = torch.rand(1, 4, 16, 16)
    maps = discrepancy_maps(images, one, two, size=16)
    with torch.no_grad():
        t2 = (one(images).mean(0) - two(images).mean(0))[0, 2]
        spread = two(images)[:, 0, 2].std(dim=0, correction=0)
    assert float(maps.inter_scores[0, 2]) == pytest.approx(float(t2.abs().mean()), rel=1e-5)
    assert float(maps.intra_scores[0, 2]) == pytest.approx(float(spread.mean()), rel=1e-5)
