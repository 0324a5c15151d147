"""Changed lesions: only the lesion changes, and it stays an image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from src_training.augment_lesions import recolour


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def masks() -> Tensor:
    """A disc in every other stack of one slice, ``(8, 1, 1, 64, 64)``."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    masks = ((rows - 28) ** 2 + (columns - 36) ** 2 < 144).float().repeat(8, 1, 1, 1, 1)
    masks[1::2] = 0
    return masks


@pytest.fixture
def images() -> Tensor:
    return torch.rand(8, 1, 4, 64, 64, generator=generator(0)) * 0.4 + 0.3


def test_nothing_changes_outside_the_lesion(images: Tensor, masks: Tensor) -> None:
    for seed in range(5):
        changed = recolour(images, masks, generator(seed), share=1.0)
        assert torch.equal(changed * (1 - masks), images * (1 - masks))
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_lesions_get_other_intensities_modality_by_modality(images: Tensor, masks: Tensor) -> None:
    moved = torch.stack([recolour(images, masks, generator(seed), share=1.0) - images for seed in range(20)])
    inside = (moved * masks).sum((-1, -2)) / masks.sum((-1, -2)).clamp(min=1)
    seen = inside[:, ::2].flatten(0, 2)  # (lesions, modalities)

    assert (seen > 0.05).any(dim=0).all()  # brighter and darker, each of the four
    assert (seen < -0.05).any(dim=0).all()
    assert 0.45 < (seen != 0).float().mean() < 0.75  # about 60 % of the modalities change
    assert ((seen != 0).sum(dim=1) < 4).any()  # and not all four together


def test_the_share_says_how_many_lesions_change(images: Tensor, masks: Tensor) -> None:
    assert torch.equal(recolour(images, masks, generator(0), share=0.0), images)

    many_masks = masks[:1].expand(400, -1, -1, -1, -1)
    changed = recolour(images[:1].expand(400, -1, -1, -1, -1), many_masks, generator(1), share=0.4)
    touched = (changed != images[:1]).flatten(1).any(dim=1).float().mean()
    assert 0.32 < touched < 0.46


def test_a_lesion_too_small_for_the_margin_stays(images: Tensor) -> None:
    tiny = torch.zeros(8, 1, 1, 64, 64)
    tiny[..., 30:33, 30:33] = 1

    assert torch.equal(recolour(images, tiny, generator(0), share=1.0), images)


def test_a_generator_tells_all(images: Tensor, masks: Tensor) -> None:
    assert torch.equal(recolour(images, masks, generator(4)), recolour(images, masks, generator(4)))
    assert not torch.equal(recolour(images, masks, generator(4)), recolour(images, masks, generator(5)))


def test_the_slices_of_a_stack_change_alike(images: Tensor, masks: Tensor) -> None:
    stack = images.repeat(1, 3, 1, 1, 1)
    changed = recolour(stack, masks.repeat(1, 3, 1, 1, 1), generator(2), share=1.0)

    assert not torch.equal(changed, stack)
    torch.testing.assert_close(changed, changed[:, :1].expand_as(changed), rtol=0, atol=1e-5)
