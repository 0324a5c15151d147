"""Small pictures of what a network does while it learns, for TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def side_by_side(panels: Sequence[Tensor]) -> Tensor:
    """Grey panels ``(B, 1, h, w)`` in [0, 1] next to each other: ``(B, 3, h, w · panels)``."""
    row = torch.cat([panel.float() for panel in panels], dim=-1)
    return row.clamp(0, 1).expand(-1, 3, -1, -1)
