"""A network that gives its mask in one go sees the same window as the diffusion, and is laid on the same slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_ddmd.case import Case
from napari_ddmd.model import untrained_bundle
from napari_ddmd.segment import brain_slices, segment
from napari_ddmd.window import CaseWindow
from src_training.baselines import segmentation
from src_training.baselines.segmentation import segment_with

SETTINGS = untrained_bundle(frame_size=64).settings


class Copy(nn.Module):
    """Calls a pixel lesion as surely as its FLAIR is bright."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.logit(images[:, -1:].float(), eps=1e-4)


def test_what_it_sees_comes_back_on_the_slices(small_case: Case) -> None:
    slices = brain_slices(small_case)
    results = list(segment_with(Copy(), small_case, SETTINGS, slices, device="cpu"))
    window = CaseWindow(small_case, SETTINGS)
    # Flair alone, there and back again.
    expected = window.on_slices(window.images(slices)[:, -1:], slices)[:, 0]

    assert [result.index for result in results] == slices
    for result, flair in zip(results, expected, strict=True):
        brain = small_case.brain[result.index]
        assert result.samples.shape == (1, *brain.shape)
        assert np.array_equal(result.samples[0], result.probability)
        assert not result.probability[~brain].any()
        assert result.inter is result.intra is result.scores is None
        np.testing.assert_allclose(result.probability, flair, atol=1e-3)
    assert expected.max() > 0.3


def test_slices_are_taken_a_batch_at_a_time(small_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Count(Copy):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(len(images))
            return super().forward(images)

    slices = brain_slices(small_case)[:5]
    together = list(segment_with(Count(), small_case, SETTINGS, slices, device="cpu"))
    assert seen == [5]
    monkeypatch.setattr(segmentation, "BATCH", 2)
    apart = list(segment_with(Count(), small_case, SETTINGS, slices, device="cpu"))
    assert seen[1:] == [2, 2, 1]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.probability, other.probability, atol=1e-6)


def test_it_sees_what_the_diffusion_sees(small_case: Case) -> None:
    """Both copy a modality, one in one go and one through the sampler: the same comes out."""

    class CopyingDenoiser(nn.Module):
        def patches(self, conditioning: Tensor) -> Tensor:
            return conditioning

        def forward(self, x_t: Tensor, t: Tensor, conditioning: Tensor) -> tuple[Tensor, None]:
            return Copy()((conditioning[:, :4] + 1) / 2), None

    bundle = untrained_bundle("mini", frame_size=64)
    bundle.networks.denoiser = CopyingDenoiser()
    slices = brain_slices(small_case)[1:4]
    sampled = segment(small_case, bundle, slices=slices, samples=1, steps=1, device="cpu")
    for own, other in zip(segment_with(Copy(), small_case, SETTINGS, slices, device="cpu"), sampled, strict=True):
        assert own.index == other.index
        np.testing.assert_allclose(own.probability, other.probability, atol=1e-3)
        assert own.probability.max() > 0.9
