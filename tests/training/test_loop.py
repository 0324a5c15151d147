"""The training loop: an interruption leaves no trace in the weights, and bad numbers end it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import Dataset

from src_training.loop import LoopSettings, Task, _step_seed, make_fabric, train
from src_training.recipe import Recipe, RecipeError

STEPS = 14
SETTINGS = LoopSettings(
    steps=STEPS,
    learning_rate=0.05,
    weight_decay=0.01,
    warmup=3,
    cosine=True,
    ema_decay=0.9,
    checkpoint_every=4,
    log_every=1,
)


class Numbered(Dataset[tuple[Tensor, ...]]):
    """Batches that tell their step, so that a loss can act on one."""

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return inputs, torch.tensor(step)


class Regression:
    """Learn the sum of three numbers through noise."""

    def draw(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        inputs, step = batch
        noise = 0.1 * torch.randn(inputs.shape, generator=generator)
        return inputs, noise, step.expand(len(inputs))

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        inputs, noise, _ = drawn
        error = (net(inputs + noise) - inputs.sum(dim=1, keepdim=True)).square().mean()
        return {"loss": error, "double": 2 * error}

    def preview(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> Tensor | None:
        assert not net.training
        assert not torch.is_grad_enabled()
        return net(drawn[0]).reshape(-1, 1, 1, 1).expand(-1, 3, 4, 4)


REGRESSION = Regression()


class At(Regression):
    """`Regression`, but something happens at one step."""

    def __init__(self, step: int, act: Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]]) -> None:
        self.step, self.act = step, act

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        losses = super().loss(net, drawn)
        return self.act(losses, net) if int(drawn[2][0]) == self.step else losses


def interrupt(losses: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    raise KeyboardInterrupt


def run(
    folder: Path,
    task: Task = REGRESSION,
    settings: LoopSettings = SETTINGS,
    *,
    dropout: float = 0.2,
    seed: int = 5,
    fabric: Fabric | None = None,
    batches: Dataset[tuple[Tensor, ...]] | None = None,
    workers: int = 0,
) -> nn.Module:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))
    torch.manual_seed(time.perf_counter_ns())  # what the process did before must not matter
    fabric = fabric or Fabric(accelerator="cpu", devices=1, precision="32-true")
    data = batches or Numbered()
    return train(folder, model, data, task, settings, fabric=fabric, seed=seed, workers=workers, name="test")


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """A model from a training that nobody interrupted."""
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("step", [2, 4, 7, 13])
def test_an_interruption_leaves_no_trace(step: int, whole: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(step, interrupt))
    assert (tmp_path / "state.pt").exists() == (step >= 4)
    resumed = run(tmp_path)

    assert same(resumed, whole)
    assert [entry["step"] for entry in log_of(tmp_path)] == [*range(STEPS)]


def test_two_interruptions_leave_no_trace_without_averaging(tmp_path: Path) -> None:
    plain = replace(SETTINGS, ema_decay=None, cosine=False)
    for step in (6, 9):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "broken", At(step, interrupt), plain)

    assert same(run(tmp_path / "broken", settings=plain), run(tmp_path / "whole", settings=plain))


def test_the_average_of_a_constant_decay_begins_after_the_first_step(tmp_path: Path) -> None:
    slow = replace(SETTINGS, warmup=0, cosine=False, ema_decay=1 - 1e-7, ema_warmup=False)
    first = run(tmp_path / "first", settings=replace(slow, steps=1, ema_decay=None))
    averaged = run(tmp_path / "constant", settings=slow)
    risen = run(tmp_path / "risen", settings=replace(slow, ema_warmup=True))

    for one, other, third in zip(first.parameters(), averaged.parameters(), risen.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(one, third, atol=1e-3)


def test_a_torn_checkpoint_is_none(whole: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = torch.save
    calls: list[BinaryIO] = []

    def die_in_second(state: object, file: BinaryIO) -> None:
        calls.append(file)
        if len(calls) == 2:
            file.write(b"torn")
            raise KeyboardInterrupt
        save(state, file)

    monkeypatch.setattr(torch, "save", die_in_second)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)

    assert same(run(tmp_path), whole)


def test_the_seed_and_the_average_count(whole: nn.Module, tmp_path: Path) -> None:
    assert not same(run(tmp_path / "average", settings=replace(SETTINGS, ema_decay=None)), whole)
    assert not same(run(tmp_path / "seed", seed=6), whole)


def test_steps_of_other_seeds_draw_other_numbers() -> None:
    drawn = {
        (seed, step): float(torch.rand(1, generator=torch.Generator().manual_seed(_step_seed(seed, step))))
        for seed in (0, 1, 2, 2**31 - 1)
        for step in (0, 1, 2, 10**6)
    }
    assert len(set(drawn.values())) == len(drawn)
    assert _step_seed(0, 7) == 7, "as in earlier versions"


def test_scaled_gradients_of_16_bits_are_clipped_and_learned_from(whole: nn.Module, tmp_path: Path) -> None:
    # As on a GPU with --precision 16-mixed, whose scaler torch has for the CPU, too.
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu")])
    trained = run(tmp_path, settings=replace(SETTINGS, steps=60), fabric=fabric)
    entries = log_of(tmp_path)
    assert sum(e["loss"] for e in entries[-10:]) < 0.5 * sum(e["loss"] for e in entries[:10])
    assert all(value.isfinite().all() for value in trained.parameters())


class KilledReader(Numbered):
    """The process that reads the fourth batch is killed, as the system does where memory is short."""

    def __getitem__(self, step: int) -> tuple[Tensor, ...]:
        if step == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(step)


@pytest.mark.fault("Output whole or absent")
@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_a_reader_that_is_killed_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"a process that read slices ahead died, .* fewer --workers [^\n]*$"):
        run(tmp_path, batches=KilledReader(), workers=1)


@pytest.mark.fault("Output whole or absent")
@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_a_reader_that_dies_does_not_break_into_a_step(tmp_path: Path) -> None:
    """Torch raises in whatever runs at the time, say in the closing of a file, and the fault is another then."""
    whole_steps: list[int] = []

    def kill(losses: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
        (reader,) = multiprocessing.active_children()
        os.kill(reader.pid or 0, signal.SIGKILL)
        time.sleep(0.5)
        whole_steps.append(4)
        return losses

    with pytest.raises(RecipeError, match=r"a process that read slices ahead died"):
        run(tmp_path, At(4, kill), workers=1)

    assert whole_steps == [4]
    assert [entry["step"] for entry in log_of(tmp_path)][:5] == [*range(5)]


def test_it_learns_and_returns_a_model_in_evaluation_mode(whole: nn.Module, tmp_path: Path) -> None:
    trained = run(tmp_path, settings=replace(SETTINGS, steps=60))
    entries = log_of(tmp_path)

    assert not trained.training
    assert not whole.training
    assert sum(e["loss"] for e in entries[-10:]) < 0.5 * sum(e["loss"] for e in entries[:10])
    assert all(entry["double"] == pytest.approx(2 * entry["loss"]) for entry in entries)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def make_nan(losses: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    return losses | {"loss": losses["loss"] * float("nan")}


def make_infinite(losses: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    return losses | {"loss": losses["loss"] * float("inf")}


def make_steep(losses: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """A loss that is finite, with a gradient that is not: the slope of the root at zero."""
    zero = sum((parameter.sum() * 0 for parameter in net.parameters()), torch.tensor(0.0))
    return losses | {"loss": losses["loss"].detach() + zero.sqrt()}


@pytest.mark.parametrize("act", [make_nan, make_infinite, make_steep])
@pytest.mark.parametrize("step", [7, 13])
def test_bad_numbers_end_it_with_the_last_good_state(
    act: Callable[..., dict[str, Tensor]], step: int, whole: nn.Module, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=rf"loss or gradient is not finite at step {step}; delete [^\n]*$"):
        run(tmp_path, At(step, act))
    state = torch.load(tmp_path / "state.pt", weights_only=True)

    assert state["step"] == step // 4 * 4
    assert all(value.isfinite().all() for value in state["model"].values())
    assert same(run(tmp_path), whole)


def test_the_learning_rate_rises_and_falls_along_a_cosine(tmp_path: Path) -> None:
    run(tmp_path, settings=replace(SETTINGS, steps=23, warmup=3))
    rates = [entry["learning_rate"] / SETTINGS.learning_rate for entry in log_of(tmp_path)]

    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert rates[13] == pytest.approx(0.5)
    assert rates[22] == pytest.approx(0.0062, abs=1e-4)
    assert all(later < earlier for earlier, later in pairwise(rates[3:]))


def test_a_training_that_is_shorter_than_its_warm_up_comes_to_its_rate(tmp_path: Path) -> None:
    run(tmp_path, settings=replace(SETTINGS, steps=8, warmup=100))
    rates = [entry["learning_rate"] / SETTINGS.learning_rate for entry in log_of(tmp_path)]

    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert rates[7] < 0.2


def test_without_cosine_it_stays(tmp_path: Path) -> None:
    run(tmp_path, settings=replace(SETTINGS, warmup=2, cosine=False))
    rates = [entry["learning_rate"] / SETTINGS.learning_rate for entry in log_of(tmp_path)]

    assert rates == pytest.approx([0.5, *[1.0] * (STEPS - 1)])


def test_the_log_has_every_tenth_step_and_the_last(tmp_path: Path) -> None:
    run(tmp_path, settings=replace(SETTINGS, steps=25, log_every=10))

    assert [entry["step"] for entry in log_of(tmp_path)] == [0, 10, 20, 24]


def test_the_recipe_sets_device_and_precision() -> None:
    fabric = make_fabric(Recipe(device="cpu", precision="bf16-mixed"))

    assert fabric.device.type == "cpu"
    with fabric.autocast():
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.bfloat16


def test_sixteen_bits_on_a_cpu_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"precision 16-mixed needs a GPU; [^\n]*$"):
        make_fabric(Recipe(device="cpu", precision="16-mixed"))


@pytest.mark.parametrize("parts", [2, 3])  # eight rows make parts of 3, 3 and 2
def test_accumulated_parts_train_as_the_whole_batch(parts: int, tmp_path: Path) -> None:
    models = [
        run(tmp_path / str(count), settings=replace(SETTINGS, accumulate=count), dropout=0.0) for count in (1, parts)
    ]

    for one, other in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    for one, other in zip(log_of(tmp_path / "1"), log_of(tmp_path / str(parts)), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_a_compiled_training_leaves_plain_weights(
    whole: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []

    def eager(model: Callable[..., Tensor], **_: object) -> Callable[..., Tensor]:
        compiled.append(model)
        return compiler(model, backend="eager")

    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", eager)
    settings = replace(SETTINGS, compile=True)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(9, interrupt), settings)
    state = torch.load(tmp_path / "state.pt", weights_only=True)["model"]
    resumed = run(tmp_path, settings=replace(settings, compile=False))

    assert any(isinstance(model, nn.Module) for model in compiled)
    assert state.keys() == whole.state_dict().keys() == resumed.state_dict().keys()
    for one, other in zip(resumed.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: object) -> Callable[..., Tensor]:
        def call(*_: object) -> Tensor:
            raise RuntimeError("no C++ compiler\nwith many lines")

        return call

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(RecipeError, match=r"^compile: nothing can be compiled here \(no C\+\+ compiler\); [^\n]*$"):
        run(tmp_path, settings=replace(SETTINGS, compile=True))


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"log_every": 3}])
def test_a_training_goes_on_with_other_ways_of_working(change: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "changed", At(9, interrupt), dropout=0.0)
    changed = run(tmp_path / "changed", settings=replace(SETTINGS, **change), dropout=0.0)
    same_steps = run(tmp_path / "whole", dropout=0.0)

    for one, other in zip(changed.parameters(), same_steps.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_card_and_the_times_are_of_all_runs_together(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, At(9, interrupt))
    earlier = torch.load(tmp_path / "state.pt", weights_only=True)["seconds"]
    assert not (tmp_path / "card.md").exists()
    run(tmp_path, settings=replace(SETTINGS, log_every=4))
    timing = json.loads((tmp_path / "timing.json").read_text())

    assert timing["steps"] == STEPS
    assert timing["seconds"] > earlier > 0
    assert "| Final loss |" in (tmp_path / "card.md").read_text()


def test_pictures_are_shown_at_the_start_and_every_tenth(tmp_path: Path) -> None:
    run(tmp_path, settings=replace(SETTINGS, steps=40))
    board = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    board.Reload()

    assert board.Tags()["images"]
    assert {image.step for tag in board.Tags()["images"] for image in board.Images(tag)} == {*range(0, 40, 4)}
    assert {"loss", "double", "learning_rate"} <= {*board.Tags()["scalars"]}
