"""What the segmentation networks learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_ddmd.model.losses import dice_cross_entropy
from src_training.baselines import tasks
from src_training.baselines.tasks import SegmentationTask, lesion_probability


class Fixed(nn.Module):
    """A network that says the same whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


def batch() -> tuple[Tensor, ...]:
    masks = torch.zeros(2, 1, 8, 8)
    masks[:, :, 2:4, 2:4] = 1
    return torch.rand(2, 4, 8, 8), masks[:, :0], masks


def test_two_classes_are_learned_by_the_negative_log_likelihood() -> None:
    images, _, masks = batch()
    logits = torch.tensor([0.3, -0.4]).view(1, 2, 1, 1).expand(2, 2, 8, 8)
    loss = SegmentationTask(changed=False).loss(Fixed(logits), (images, masks))["loss"]
    background, lesion = torch.log_softmax(torch.tensor([0.3, -0.4]), 0)

    torch.testing.assert_close(loss, -(60 * background + 4 * lesion) / 64)


def test_a_single_logit_is_learned_as_the_denoiser_is() -> None:
    images, _, masks = batch()
    logits = torch.randn(2, 1, 8, 8)
    loss = SegmentationTask(changed=False).loss(Fixed(logits), (images, masks))["loss"]

    torch.testing.assert_close(loss, dice_cross_entropy(logits, 2 * masks - 1))


@pytest.mark.parametrize("changed", [True, False])
def test_slices_are_changed_where_that_is_asked_for(changed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def turn(*tensors: Tensor | torch.Generator) -> tuple[Tensor, ...]:
        return tuple(tensor.flip(-1) for tensor in tensors if isinstance(tensor, Tensor))

    monkeypatch.setattr(tasks, "augment", turn)
    images, maps, masks = batch()
    shown, target = SegmentationTask(changed=changed).draw((images, maps, masks), torch.Generator())

    assert torch.equal(shown, images.flip(-1) if changed else images)
    assert torch.equal(target, masks.flip(-1) if changed else masks)


def test_augmentation_does_without_maps() -> None:
    images, target = SegmentationTask(changed=True).draw(batch(), torch.Generator().manual_seed(0))

    assert images.shape == (2, 4, 8, 8)
    assert set(target.unique().tolist()) <= {0.0, 1.0}


def test_probabilities() -> None:
    two = torch.tensor([[0.0, 2.0]]).view(1, 2, 1, 1)

    torch.testing.assert_close(lesion_probability(two), torch.sigmoid(torch.tensor(2.0)).view(1, 1, 1, 1))
    torch.testing.assert_close(lesion_probability(two[:, 1:]), lesion_probability(two))


def test_a_preview_shows_image_mask_and_probability() -> None:
    images, _, masks = batch()
    pictures = SegmentationTask(changed=False).preview(Fixed(40 * masks - 20), (images, masks))

    assert pictures.shape == (2, 3, 8, 24)
    torch.testing.assert_close(pictures[:, :1, :, :8], images[:, -1:])
    torch.testing.assert_close(pictures[:, :1, :, 16:], masks)
