"""What the networks of a recipe cost: parameters, floating-point operations, memory and seconds."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from napari_ddmd.case import MODALITIES
from napari_ddmd.device import default_batch_size, inference_dtype, pick_device
from napari_ddmd.model.autoencoder import Ensemble, reconstruction_loss
from napari_ddmd.model.denoiser import Denoiser, image_channels
from napari_ddmd.model.settings import ModelSettings
from napari_ddmd.workers import rows_at_once
from src_training.recipe import Recipe
from src_training.speed import Act, Speed, measure_speed, time_update

USES = ("ensemble", "ensemble step", "denoiser", "denoiser step")
"""One evaluation or one training step of AE-1 or AE-2 (all its members), and of the denoiser."""

_DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": torch.float32}


@dataclass(frozen=True)
class Costs:
    """What one slice costs each network, and how fast this device is with it.

    Attributes
    ----------
    device
        The recipe's.
    dtype, sampling_dtype
        In which training and sampling multiply.
    parameters
        Of ``ensemble`` (AE-1 or AE-2, all members) and ``denoiser``.
    flops
        Of one slice in each `USES`.
    speeds
        The same.
    updates
        Seconds of a training step of either network that do not depend on the batch.
    """

    device: torch.device
    dtype: torch.dtype
    sampling_dtype: torch.dtype
    parameters: dict[str, int]
    flops: dict[str, int]
    speeds: dict[str, Speed]
    updates: dict[str, float]

    @classmethod
    def of(cls, recipe: Recipe, budget_s: float) -> Costs:
        """Count on the ``meta`` device, and measure on the recipe's, each measurement within about the budget."""
        model, device = recipe.model, pick_device(recipe.device)
        sampling_dtype = inference_dtype(device)
        dtype = sampling_dtype if recipe.precision == "auto" else _DTYPES[recipe.precision]
        size, deepest = model.frame.size, model.denoiser.patch * 2 ** (len(model.denoiser.channels) - 1)
        # Every level needs more than one pixel for its normalisation.
        smaller = [size >> k for k in (3, 2, 1) if size >> k >= 2 * deepest and (size >> k) % deepest == 0]
        sides = {"ensemble": [model.autoencoder.size], "denoiser": [*smaller, size]}
        batches = {
            "ensemble": 32,
            "ensemble step": recipe.autoencoders.batch_size,
            "denoiser": _rows_of_a_call(model, device),
            "denoiser step": micro_batch(recipe),
        }
        parameters, flops, speeds, updates = {}, {}, {}, {}
        for name in sides:
            traced = Subject.made(name, model, torch.device("meta"), torch.float32)
            parameters[name] = count_parameters(traced.net)
            least = 2 if name == "ensemble" else 1  # batch normalisation may refuse to learn from one slice
            for use in (name, f"{name} step"):
                traced.net.train(use != name)
                work = {(least, side): count_flops(traced.act(use), least, side) for side in sides[name]}
                flops[use] = work[least, sides[name][-1]] // least
                work[batches[use], sides[name][-1]] = batches[use] * flops[use]
                measured = Subject.made(name, model, device, dtype if use != name else sampling_dtype)
                measured.net.train(use != name)
                speeds[use] = measure_speed(measured.act(use), work, device, budget_s=budget_s)
                if use != name:
                    updates[use] = time_update(measured.net, device, averaged=name == "denoiser")
        return cls(device, dtype, sampling_dtype, parameters, flops, speeds, updates)

    def seconds(self, use: str, slices: float, steps: int = 0) -> float:
        """Time for some slices, in so many training steps."""
        return slices * self.flops[use] / self.speeds[use].flop_per_second + steps * self.updates.get(use, 0.0)


def _rows_of_a_call(model: ModelSettings, device: torch.device) -> int:
    """Masks that a run evaluates in one call, as `napari_ddmd.segment` makes them."""
    rows = default_batch_size(device) * math.ceil(model.sampling.samples / model.denoiser.members)
    return min(rows, rows_at_once(device) or rows)


def micro_batch(recipe: Recipe) -> int:
    """Slices that the denoiser's training takes at once."""
    return max(1, recipe.diffusion.batch_size // recipe.accumulate)


class Subject:
    """A network that is used as in training and in sampling, on images of noise.

    Parameters
    ----------
    net
        A `Denoiser` or an `Ensemble`.
    settings
        Those that it was made with.
    device
        Where it is used; ``meta`` counts without computing.
    dtype
        Of the multiplications: bfloat16 means automatic mixed precision.
    """

    def __init__(
        self, net: nn.Module, settings: ModelSettings, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.net, self.settings, self.device, self.dtype = net, settings, device, dtype

    @classmethod
    def made(cls, name: str, settings: ModelSettings, device: torch.device, dtype: torch.dtype) -> Subject:
        """An ``ensemble`` or a ``denoiser`` with untrained weights."""
        with device:
            net = Ensemble(settings.autoencoder) if name == "ensemble" else Denoiser(settings)
        return cls(net, settings, device, dtype)

    def act(self, use: str) -> Act:
        """What a use does."""
        return self.step if use.endswith("step") else self.evaluate

    def forward(self, batch: int, side: int) -> Tensor:
        """Evaluate the network; a scalar that all its outputs enter."""
        mixed = self.dtype != torch.float32  # the meta device knows no automatic mixed precision
        with torch.autocast(self.device.type, self.dtype) if mixed else nullcontext():
            # Zeros would be multiplied faster than images are: a GPU that takes less power runs at a higher clock.
            single = isinstance(self.net, Ensemble)
            channels = len(MODALITIES) if single else image_channels(self.settings)
            images = torch.rand(batch, channels, side, side, device=self.device)
            if single:
                error: Tensor = reconstruction_loss(self.net(images), images)
                return error
            maps = self.settings.uses_inter + self.settings.uses_intra
            mask, more = images[:, :1], images[:, :maps]
            t = torch.zeros(batch, dtype=torch.long, device=self.device)
            output, variance = self.net(mask, t, torch.cat([images, more], dim=1))
            loss: Tensor = output.float().square().mean()
            return loss if variance is None else loss + variance.float().square().mean()

    def evaluate(self, batch: int, side: int) -> None:
        """One evaluation, as in sampling."""
        with torch.no_grad():
            self.forward(batch, side)

    def step(self, batch: int, side: int) -> None:
        """Forwards and backwards, as in a training step."""
        self.net.zero_grad()
        self.forward(batch, side).backward()  # type: ignore[no-untyped-call]


def count_parameters(net: nn.Module) -> int:
    """Numbers that are learned."""
    return sum(parameter.numel() for parameter in net.parameters())


def count_flops(act: Act, batch: int, side: int) -> int:
    """Floating-point operations of the convolutions and matrix products; a multiplication and its addition are two."""
    with FlopCounterMode(display=False) as counter:
        act(batch, side)
    return int(counter.get_total_flops())


def activation_bytes(settings: ModelSettings, batch: int, dtype: torch.dtype) -> int:
    """Bytes that the denoiser keeps from its forward pass for the backward pass of a batch.

    The tensors that autograd saves are counted, each storage once and the weights not, on fake tensors without data.
    """
    sizes: dict[int, int] = {}
    held: list[Tensor] = []  # so that no storage's number is given out twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        held.append(tensor)
        return tensor

    # A scaled input needs the noise schedule's numbers, which fake tensors have not; it keeps one mask more.
    settings = replace(settings, diffusion=replace(settings.diffusion, scaled_input=False))
    with FakeTensorMode():
        subject = Subject(Denoiser(settings), settings, torch.device("cpu"), dtype)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = subject.forward(batch, settings.frame.size)
        weights = {parameter.untyped_storage()._cdata for parameter in subject.net.parameters()}
        del loss
    return sum(size for storage, size in sizes.items() if storage not in weights)
