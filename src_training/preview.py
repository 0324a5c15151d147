"""Small pictures of what a network does while it learns, for TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_ddmd.case import MODALITIES


def flair(images: Tensor) -> Tensor:
    """FLAIR ``(B, 1, h, w)`` of slices ``(B, N C, h, w)`` that come with their neighbours, or alone."""
    channel = MODALITIES.index("flair")
    return images[:, channel : channel + 1]


def side_by_side(panels: Sequence[Tensor]) -> Tensor:
    """Grey panels ``(B, 1, h, w)`` in [0, 1] next to each other: ``(B, 3, h, w · panels)``."""
    row = torch.cat([panel.float() for panel in panels], dim=-1)
    return row.clamp(0, 1).expand(-1, 3, -1, -1)
