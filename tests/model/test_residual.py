from __future__ import annotations

import copy

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.residual import LeanResnetBlock2D, make_lean
from napari_ddmd.model.settings import ModelSettings


def block(inputs: int = 8, outputs: int = 16, **others: object) -> ResnetBlock2D:
    torch.manual_seed(0)
    how = {"time_embedding_norm": "scale_shift", "temb_channels": 12, "groups": 4, **others}
    made = ResnetBlock2D(in_channels=inputs, out_channels=outputs, **how)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made.eval()


def lean(made: ResnetBlock2D) -> nn.Module:
    own = nn.Sequential(copy.deepcopy(made))
    make_lean(own)
    return own[0]


@pytest.mark.parametrize("inputs", [8, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_gives_what_diffusers_block_gives_bit_for_bit(
    inputs: int, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    made = block(inputs).to(dtype=dtype, memory_format=layout)
    own = lean(made)
    assert type(own) is LeanResnetBlock2D
    images = torch.randn(3, inputs, 10, 12).to(dtype=dtype, memory_format=layout)
    embedding = torch.randn(3, 12).to(dtype)
    given = images.clone(), embedding.clone()
    with torch.inference_mode():
        expected = made(*given)
        found = own(images, embedding)
    assert torch.equal(found, expected)
    assert torch.equal(images, given[0]), "what comes in is needed by others"
    assert torch.equal(embedding, given[1])


def test_nor_does_it_differ_where_weights_are_float32_and_products_bfloat16() -> None:
    made = block().to(memory_format=torch.channels_last)
    images, embedding = torch.randn(3, 8, 10, 12).to(memory_format=torch.channels_last), torch.randn(3, 12)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(lean(made)(images, embedding), made(images, embedding))


def test_it_learns_as_diffusers_block_does() -> None:
    made = block(dropout=0.5).train()
    own = lean(made)
    images, embedding = torch.randn(2, 8, 6, 6), torch.randn(2, 12)
    gradients = []
    for net in (made, own):
        torch.manual_seed(3)
        net(images, embedding).square().sum().backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))  # type: ignore[arg-type]
    torch.manual_seed(3)
    with torch.no_grad():  # the dropout of training counts without gradients, too
        expected = made(images, embedding)
        torch.manual_seed(3)
        assert torch.equal(own(images, embedding), expected)


@pytest.mark.parametrize(
    "other", [{"time_embedding_norm": "default"}, {"output_scale_factor": 2.0}, {"up": True}, {"non_linearity": "gelu"}]
)
def test_blocks_of_another_kind_stay_as_they_are(other: dict[str, object]) -> None:
    assert type(lean(block(**other))) is ResnetBlock2D


def test_all_blocks_of_a_denoiser_are_lean() -> None:
    kinds = [type(module) for module in Denoiser(ModelSettings()).modules() if isinstance(module, ResnetBlock2D)]
    assert kinds
    assert set(kinds) == {LeanResnetBlock2D}
