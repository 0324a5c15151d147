"""diffusers' residual block with fewer copies of its activations where nothing is to be learned.

A CPU spends more time on moving activations than on multiplying them: half of what the block writes goes to memory that
was just allocated, and whose pages the system has to clear first.
"""

from __future__ import annotations

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F


class LeanResnetBlock2D(ResnetBlock2D):  # type: ignore[misc]
    """Computes what diffusers' block does, bit for bit, in the memory that its own layers have allocated.

    While gradients are recorded, or in training, it is diffusers' block.
    """

    def forward(self, input_tensor: Tensor, temb: Tensor, *args: object, **kwargs: object) -> Tensor:
        """One evaluation; ``(B, C, h, w)`` and the embedding of the timesteps ``(B, E)`` to ``(B, C', h, w)``."""
        if self.training or torch.is_grad_enabled():
            output: Tensor = super().forward(input_tensor, temb, *args, **kwargs)
            return output
        hidden = self.conv1(F.silu(self.norm1(input_tensor), inplace=True))
        # The embedding is every block's: it is not written into.
        scale, shift = self.time_emb_proj(F.silu(temb))[:, :, None, None].chunk(2, dim=1)
        hidden = F.silu(self.norm2(hidden).mul_(1 + scale).add_(shift), inplace=True)
        hidden = self.conv2(hidden)
        shortcut = input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor)
        return hidden.add_(shortcut)  # type: ignore[no-any-return]


def make_lean(net: nn.Module) -> None:
    """Let the residual blocks of a network do without copies in inference; blocks of another kind stay as they are."""
    for block in net.modules():
        if type(block) is ResnetBlock2D and _is_known(block):
            block.__class__ = LeanResnetBlock2D


def _is_known(block: ResnetBlock2D) -> bool:
    return (
        block.time_embedding_norm == "scale_shift"
        and block.time_emb_proj is not None
        and not block.skip_time_act
        and block.upsample is None
        and block.downsample is None
        and block.output_scale_factor == 1
        and isinstance(block.nonlinearity, nn.SiLU)
    )
