"""Pictures side by side."""

from __future__ import annotations

import torch

from src_training.preview import side_by_side


def test_panels_stand_side_by_side_in_grey() -> None:
    one, other = torch.rand(2, 1, 4, 5), torch.rand(2, 1, 4, 5)
    picture = side_by_side([one, other])

    assert picture.shape == (2, 3, 4, 10)
    for channel in range(3):
        assert torch.equal(picture[:, channel], torch.cat([one, other], dim=-1)[:, 0])


def test_what_is_outside_the_range_is_cut() -> None:
    panel = torch.tensor([-0.5, 0.25, 1.5], dtype=torch.bfloat16).view(1, 1, 1, 3)
    picture = side_by_side([panel])

    assert picture.dtype == torch.float32
    assert picture[0, 0, 0].tolist() == [0, 0.25, 1]
