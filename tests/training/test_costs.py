"""What networks cost: counts against arithmetic by hand, on the smallest networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from napari_ddmd.model.denoiser import Denoiser
from napari_ddmd.model.settings import ModelSettings
from src_training import costs
from src_training.costs import USES, Costs, Subject, activation_bytes, count_flops, count_parameters, micro_batch
from src_training.recipe import preset

from .conftest import tiny_recipe


def test_a_multiplication_and_its_addition_are_two_operations() -> None:
    net = nn.Conv2d(3, 5, 3, padding=1, bias=False, device="meta")

    def forward(batch: int, side: int) -> None:
        net(torch.empty(batch, 3, side, side, device="meta"))

    assert count_parameters(net) == 3 * 5 * 9
    assert count_flops(forward, 2, 8) == 2 * (2 * 8 * 8) * (3 * 5 * 9)


@pytest.mark.parametrize("kind", ["ensemble", "denoiser"])
def test_a_training_step_is_about_three_evaluations(kind: str) -> None:
    traced = Subject.made(kind, ModelSettings(), torch.device("meta"), torch.float32)
    side = 64
    evaluation, step = (count_flops(traced.act(use), 2, side) for use in (kind, f"{kind} step"))

    assert 2.8 * evaluation < step <= 3 * evaluation
    assert count_flops(traced.act(kind), 4, side) == 2 * evaluation


def test_one_evaluation_of_the_paper_size_is_half_a_teraflop() -> None:
    model = preset("paper").model
    traced = Subject.made("denoiser", model, torch.device("meta"), torch.float32)

    assert count_flops(traced.evaluate, 1, model.frame.size) == pytest.approx(0.497e12, rel=0.002)


def test_activations_are_what_autograd_keeps() -> None:
    settings = replace(ModelSettings(), frame=replace(ModelSettings().frame, size=32))
    kept: dict[int, int] = {}
    held = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor)
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    net = Denoiser(settings)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = Subject(net, settings, torch.device("cpu")).forward(3, 32)
    weights = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    real = sum(size for place, size in kept.items() if place not in weights)
    loss.backward()  # type: ignore[no-untyped-call]

    assert activation_bytes(settings, 3, torch.float32) == pytest.approx(real, rel=0.02)


def test_activations_of_a_scaled_input_are_counted() -> None:
    small = replace(ModelSettings(), frame=replace(ModelSettings().frame, size=64))
    scaled = replace(small, diffusion=replace(small.diffusion, scaled_input=True))

    assert activation_bytes(scaled, 2, torch.float32) == activation_bytes(small, 2, torch.float32)


def test_activations_grow_with_the_batch_and_shrink_with_the_precision() -> None:
    settings = replace(ModelSettings(), frame=replace(ModelSettings().frame, size=64))
    one, four = (activation_bytes(settings, batch, torch.float32) for batch in (1, 4))

    assert four == pytest.approx(4 * one, rel=0.01)
    assert activation_bytes(settings, 4, torch.bfloat16) < 0.8 * four


def test_costs_of_a_recipe_are_of_its_own_networks(cohort: Path) -> None:
    recipe = tiny_recipe(cohort, Path("run"))
    costs = Costs.of(recipe, 60)

    assert set(costs.flops) == set(costs.speeds) == set(USES)
    assert costs.parameters["denoiser"] == count_parameters(Denoiser(recipe.model))
    assert (costs.device.type, costs.dtype) == ("cpu", torch.float32)
    assert costs.speeds["denoiser step"].batch == micro_batch(recipe) == 4
    assert micro_batch(replace(recipe, accumulate=2)) == 2
    without, with_steps = costs.seconds("denoiser step", 8), costs.seconds("denoiser step", 8, steps=2)
    assert without == pytest.approx(8 * costs.flops["denoiser step"] / costs.speeds["denoiser step"].flop_per_second)
    assert with_steps == pytest.approx(without + 2 * costs.updates["denoiser step"])


@pytest.mark.parametrize(("most", "rows"), [(None, 15), (8, 8), (1, 1)])
def test_an_evaluation_is_timed_as_a_run_makes_it(monkeypatch: pytest.MonkeyPatch, most: int | None, rows: int) -> None:
    monkeypatch.setattr(costs, "rows_at_once", lambda _device: most)
    monkeypatch.setattr(costs, "default_batch_size", lambda _device: 5)
    model = preset("compact").model
    turns = replace(model, denoiser=replace(model.denoiser, members=2))  # three of five masks are the first one's
    assert costs._rows_of_a_call(turns, torch.device("cpu")) == rows
