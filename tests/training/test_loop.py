"""The training loop: an interruption leaves no trace in the weights, and bad numbers end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import Dataset

from src_training.__main__ import main
from src_training.loop import LoopSettings, Loss, make_fabric, train
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


def regression(net: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> dict[str, Tensor]:
    inputs, _ = batch
    noise = 0.1 * torch.randn(inputs.shape, generator=generator)
    error = (net(inputs + noise) - inputs.sum(dim=1, keepdim=True)).square().mean()
    return {"loss": error, "double": 2 * error}


def at(step: int, act: Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]]) -> Loss:
    """`regression`, but something happens at one step."""

    def loss(net: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> dict[str, Tensor]:
        losses = regression(net, batch, generator)
        return act(losses, net) if int(batch[1]) == step else losses

    return loss


def interrupt(losses: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    raise KeyboardInterrupt


def run(folder: Path, loss: Loss = regression, settings: LoopSettings = SETTINGS) -> nn.Module:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
    torch.manual_seed(time.perf_counter_ns())  # what the process did before must not matter
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    return train(folder, model, Numbered(), loss, settings, fabric=fabric, seed=5, workers=0, name="test")


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
        run(tmp_path, at(step, interrupt))
    assert (tmp_path / "state.pt").exists() == (step >= 4)
    resumed = run(tmp_path)

    assert same(resumed, whole)
    assert [entry["step"] for entry in log_of(tmp_path)] == [*range(STEPS)]


def test_two_interruptions_leave_no_trace_without_averaging(tmp_path: Path) -> None:
    plain = replace(SETTINGS, ema_decay=None, cosine=False)
    for step in (6, 9):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "broken", at(step, interrupt), plain)

    assert same(run(tmp_path / "broken", settings=plain), run(tmp_path / "whole", settings=plain))


def test_a_torn_checkpoint_is_none(whole: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = torch.save
    calls: list[Path] = []

    def die_in_second(state: object, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"torn")
            raise KeyboardInterrupt
        save(state, path)

    monkeypatch.setattr(torch, "save", die_in_second)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)

    assert same(run(tmp_path), whole)


def test_the_seed_and_the_average_count(whole: nn.Module, tmp_path: Path) -> None:
    assert not same(run(tmp_path, settings=replace(SETTINGS, ema_decay=None)), whole)


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
        run(tmp_path, at(step, act))
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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_leaves_no_trace(tiny_copy: Path, tmp_path: Path) -> None:
    words = ["diffusion", "--out", str(tiny_copy), "--diffusion.iterations", "80", "--diffusion.checkpoint-every", "5"]
    folder = tiny_copy / "final" / "diffusion"

    def begin_again() -> None:
        for file in folder.iterdir():
            if file.is_file():
                file.unlink()

    begin_again()
    assert main(words) == 0
    whole = (folder / "denoiser.safetensors").read_bytes()
    begin_again()
    # The same number of threads, since sums in another order are other sums.
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "CUDA_VISIBLE_DEVICES": ""}
    with (tmp_path / "stderr").open("w") as errors:
        training = subprocess.Popen(
            [sys.executable, "-m", "src_training", *words],
            cwd=Path(__file__).parents[2],
            env=environment,
            stderr=errors,
        )
        try:
            while not (folder / "state.pt").exists() and training.poll() is None:
                time.sleep(0.005)
        finally:
            training.kill()
            training.wait()
    assert training.returncode == -signal.SIGKILL, (tmp_path / "stderr").read_text()
    assert not (folder / "denoiser.safetensors").exists()
    began_at = torch.load(folder / "state.pt", weights_only=True)["step"]
    assert 0 < began_at < 80
    assert main(words) == 0

    assert (folder / "denoiser.safetensors").read_bytes() == whole
    assert not (folder / "state.pt").exists()
