"""Augmentation: image and mask stay together, and nothing leaves its range."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from src_training import augment as augment_module
from src_training.augment import CUT_OFF, LOST, NO_MAPS, augment, change_intensities, coarsen, deform, lost


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def masks() -> Tensor:
    """Eight discs, off centre, ``(8, 1, 48, 48)``."""
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    disc = (rows - 20) ** 2 + (columns - 28) ** 2 < 81
    return disc.float().expand(8, 1, 48, 48).contiguous()


@pytest.fixture
def images() -> Tensor:
    """Noise inside a head, zero outside, ``(8, 4, 48, 48)``."""
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    head = (rows - 24) ** 2 + (columns - 24) ** 2 < 300
    return (torch.rand(8, 4, 48, 48, generator=generator(0)) * 0.8 + 0.2) * head


@pytest.mark.parametrize("seed", range(5))
def test_images_that_equal_their_mask_still_do(seed: int, masks: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment_module, "recolour", lambda stack, masks, generator: stack)
    monkeypatch.setattr(augment_module, "change_intensities", lambda stack, generator: stack)
    monkeypatch.setattr(augment_module, "lost", lambda shape, generator: torch.zeros(tuple(shape), dtype=torch.bool))
    monkeypatch.setattr(augment_module, "NO_MAPS", 0.0)
    images, maps, moved = augment(masks.repeat(1, 4, 1, 1), masks.repeat(1, 2, 1, 1), masks, generator(seed))

    assert torch.equal((images > 0.5).float(), moved.expand_as(images))
    assert torch.equal((maps > 0.5).float(), moved.expand_as(maps))
    assert not torch.equal(moved, masks)


def test_ranges_and_shapes(images: Tensor, masks: Tensor) -> None:
    maps = torch.rand(8, 2, 48, 48, generator=generator(1))
    for seed in range(5):
        new_images, new_maps, new_masks = augment(images, maps, masks, generator(seed))
        assert (new_images.shape, new_maps.shape, new_masks.shape) == (images.shape, maps.shape, masks.shape)
        assert 0 <= new_images.min() < new_images.max() <= 1
        assert 0 <= new_maps.min() < new_maps.max() <= maps.max()
        assert set(new_masks.unique().tolist()) == {0.0, 1.0}


def test_background_stays_zero(images: Tensor) -> None:
    outside = images.amax(dim=1, keepdim=True) == 0
    changed = change_intensities(images[:, None], generator(0))[:, 0]

    assert not changed[outside.expand_as(changed)].any()
    assert not torch.allclose(changed, images, atol=0.02)


def test_an_empty_slice_stays_empty(images: Tensor) -> None:
    empty = torch.zeros_like(images)
    new_images, new_maps, new_masks = augment(empty, empty[:, :2], empty[:, :1], generator(0))

    assert not new_images.any()
    assert not new_maps.any()
    assert not new_masks.any()


def test_deformations_are_moderate(masks: Tensor) -> None:
    moved = deform(masks, generator(2))

    share = (moved > 0.5).float().mean(dim=(1, 2, 3)) / masks.mean(dim=(1, 2, 3))
    assert share.min() > 0.4
    assert share.max() < 2.2
    assert share.std() > 0.05


def test_half_of_the_slices_are_mirrored() -> None:
    left = torch.zeros(400, 1, 16, 16)
    left[..., :8] = 1
    moved = deform(left, generator(0))
    mirrored = moved[..., 8:].sum(dim=(1, 2, 3)) > moved[..., :8].sum(dim=(1, 2, 3))

    assert 0.4 < mirrored.float().mean() < 0.6


def test_a_generator_tells_all(images: Tensor, masks: Tensor) -> None:
    def run(seed: int) -> Tensor:
        torch.rand(1)  # the global generator has no say
        return torch.cat(augment(images, images[:, :2], masks, generator(seed)), dim=1)

    assert torch.equal(run(4), run(4))
    assert not torch.equal(run(4), run(5))


def test_some_slices_lack_a_modality_and_some_a_rectangle_of_one() -> None:
    missing = lost((2000, 4, 16, 16), generator(3))
    share = missing.float().mean(dim=(2, 3))

    assert ((share > 0).sum(dim=1) <= 1).all()  # never two modalities of a slice
    whole, part = (share == 1).any(dim=1), ((share > 0) & (share < 1)).any(dim=1)
    assert abs(whole.float().mean() - LOST) < 0.03
    assert 0.6 * CUT_OFF < part.float().mean() < 1.2 * CUT_OFF
    assert (share == 1).float().mean(dim=0).min() > 0.015  # each of the four is met


def test_a_lost_modality_is_zero_and_the_others_stay(images: Tensor) -> None:
    batch = images[:1].expand(200, -1, -1, -1)
    changed, _, _ = augment(batch, torch.ones(200, 2, 48, 48), torch.zeros(200, 1, 48, 48), generator(0))
    gone = changed.amax(dim=(2, 3)) == 0

    assert abs(gone.any(dim=1).float().mean() - LOST) < 0.08
    assert gone.sum(dim=1).max() == 1


def test_a_slice_without_a_modality_has_no_maps_and_some_others_have_none(images: Tensor) -> None:
    batch = images[:1].expand(400, -1, -1, -1)
    changed, maps, _ = augment(batch, torch.ones(400, 2, 48, 48), torch.zeros(400, 1, 48, 48), generator(0))
    complete = (changed.amax(dim=(2, 3)) > 0).all(dim=1)
    unmapped = maps.amax(dim=(1, 2, 3)) == 0

    assert unmapped[~complete].all()
    assert abs(unmapped[complete].float().mean() - NO_MAPS) < 0.05
    assert torch.equal(unmapped, maps.amax(dim=(2, 3)).amin(dim=1) == 0)  # both or neither


@pytest.mark.parametrize("size", [(16, 16), (15, 17)])
def test_a_coarser_scan_keeps_what_is_flat_and_loses_what_is_fine(size: tuple[int, int]) -> None:
    checks = (torch.arange(size[0])[:, None] + torch.arange(size[1])) % 2 * 1.0
    assert torch.allclose(coarsen(torch.ones(1, 1, 1, *size), 2.0), torch.ones(1, 1, 1, *size))
    assert coarsen(checks[None, None, None], 2.0)[..., 2:-2, 2:-2].std() < 0.2 * checks.std()


def test_the_slices_of_a_stack_change_alike(images: Tensor, masks: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment_module, "NOISE", 0.0)
    stack, many = images.repeat(1, 3, 1, 1), masks.repeat(1, 3, 1, 1)
    quiet = torch.zeros_like(images[:, :2])
    for seed in range(5):
        changed, _, moved = augment(stack, quiet, many, generator(seed))
        first, *others = changed.chunk(3, dim=1)

        assert torch.equal(moved, moved[:, :1].expand_as(moved))
        for other in others:
            torch.testing.assert_close(other, first, rtol=0, atol=1e-5)
