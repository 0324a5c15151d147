"""One training loop for everything that is trained: resumable at any step, on any number of processes, averaged."""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers.training_utils import EMAModel
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from napari_ddmd.device import inference_dtype
from src_training import distributed
from src_training.checkpoint import STATE, Checkpoint, forget_states
from src_training.files import write_tensors
from src_training.journal import Journal
from src_training.recipe import Recipe, RecipeError
from src_training.run_card import write_card

_ODD = 0x9E3779B1
"""Spreads seeds over 32 bits: the golden ratio of 2³², as in Fibonacci hashing."""

PREVIEWS = 10
"""Pictures are shown at the start and after every tenth of a training."""
PREVIEW_ROWS = 4


class Task(Protocol):
    """What is learned: the random part, drawn once a step, and the losses of any rows of what was drawn."""

    def draw(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Everything random (augmentation, timesteps, noise) for a whole batch; each tensor has the batch first.

        The generator depends on the seed and the step alone, so that every process draws the same.
        """

    def loss(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Losses of some rows of what was drawn, means over these rows; ``"loss"`` is minimised, all are logged."""

    def preview(self, net: nn.Module, drawn: tuple[Tensor, ...]) -> Tensor | None:
        """Pictures ``(N, 3, h, w)`` in [0, 1] for TensorBoard, or None; without gradients, in evaluation mode."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """What the loop needs to know."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    warmup: int = 0
    cosine: bool = False
    ema_decay: float | None = None
    ema_warmup: bool = True
    checkpoint_every: int = 500
    log_every: int = 10
    accumulate: int = 1
    compile: bool = False

    @classmethod
    def of(cls, recipe: Recipe, **own: Any) -> LoopSettings:
        """A training's own settings, and those that hold for every training of a recipe."""
        return cls(log_every=recipe.log_every, accumulate=recipe.accumulate, compile=recipe.compile, **own)


def make_fabric(recipe: Recipe, *, alone: bool = False) -> Fabric:
    """Lightning Fabric on the device and in the precision of the recipe.

    Parameters
    ----------
    recipe
        Settings of the run.
    alone
        Train in this process alone, whatever the others do.
    """
    device = distributed.own_device(recipe.device)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16-mixed" if inference_dtype(device) == torch.bfloat16 else "32-true"
    if precision == "16-mixed" and device.type == "cpu":
        raise RecipeError("precision 16-mixed needs a GPU; choose bf16-mixed or 32-true on the CPU")
    if alone or distributed.world_size() == 1:
        devices = [device.index] if device.type == "cuda" and ":" in str(device) else 1
        # Without the plugin Lightning looks at the launcher's variables, and expects as many devices.
        return Fabric(accelerator=device.type, devices=devices, precision=precision, plugins=[LightningEnvironment()])
    distributed.join()
    processes = distributed.local_world_size()
    fabric = Fabric(
        accelerator=device.type,
        devices=processes,
        num_nodes=distributed.world_size() // processes,
        precision=precision,
        strategy=DDPStrategy(timeout=distributed.PATIENCE),
        plugins=[TorchElasticEnvironment()],
    )
    fabric.launch()
    return fabric


def train(
    folder: Path,
    model: nn.Module,
    batches: Dataset[tuple[Tensor, ...]],
    task: Task,
    settings: LoopSettings,
    *,
    fabric: Fabric,
    seed: int,
    workers: int,
    name: str,
    facts: Mapping[str, object] | None = None,
) -> nn.Module:
    """Train ``model`` in place and return it with its averaged weights.

    ``folder/state.pt`` is rewritten every ``checkpoint_every`` steps and holds all that is needed to go on: a
    training that was killed resumes from there and meets the batches, noise and learning rates that it would have met.
    With several processes each takes its rows of the same batch, so that their number changes nothing but rounding;
    the first one alone writes files. ``facts`` are added to the card that is written at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    optimizer: Any = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=scaler is None,  # it would divide by the scale itself, after the gradients are clipped
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate(step, settings))
    net, optimizer = fabric.setup(_compiled(model, fabric) if settings.compile else model, optimizer)
    ema = None
    if settings.ema_decay is not None:
        least = 0.0 if settings.ema_warmup else settings.ema_decay
        ema = EMAModel(
            model.parameters(),
            decay=settings.ema_decay,
            min_decay=least,
            use_ema_warmup=True,
            inv_gamma=1.0,
            power=0.75,
        )
    checkpoint = Checkpoint(folder / STATE, model, optimizer, scheduler, ema, scaler, fabric.is_global_zero)
    start, earlier = checkpoint.load()
    began = time.perf_counter() - earlier
    loader = DataLoader(batches, batch_size=None, sampler=range(start, settings.steps), num_workers=workers)
    reader = _quiet_reader(loader)
    latest: deque[dict[str, Tensor]] = deque(maxlen=settings.log_every)
    net.train()
    with (
        warnings.catch_warnings(),
        _dead_readers_told(folder, workers),
        Journal(folder, name, start, settings.steps) if fabric.is_global_zero else nullcontext() as journal,
    ):
        # A scaler leaves steps out that overflow, often the first; the rate goes by the step all the same.
        warnings.filterwarnings("ignore", "Detected call of .lr_scheduler.step")
        for step, batch in zip(range(start, settings.steps), reader, strict=True):
            number = _step_seed(seed, step)
            torch.manual_seed(number + (fabric.global_rank << 24))  # of dropout, which takes no generator
            drawn = task.draw(fabric.to_device(batch), torch.Generator(device=fabric.device).manual_seed(number))
            if fabric.world_size > 1 and len(drawn[0]) % (fabric.world_size * settings.accumulate):
                raise RecipeError(
                    f"{folder}: a batch of {len(drawn[0])} cannot be divided into {settings.accumulate} equal parts on "
                    f"each of {fabric.world_size} processes; choose a multiple of "
                    f"{fabric.world_size * settings.accumulate}"
                )
            losses = _backward(net, drawn, task, settings.accumulate, fabric)
            norm = fabric.clip_gradients(net, optimizer, max_norm=1.0, error_if_nonfinite=False)
            # A scaler of 16-bit gradients leaves steps out that overflow, and tries a smaller scale.
            bad = losses["loss"] if norm is None or scaler is not None else losses["loss"] + norm
            if not torch.isfinite(bad):
                raise RecipeError(
                    f"{folder}: loss or gradient is not finite at step {step}; delete this folder and lower the "
                    "learning rate (the last good state is kept until then)"
                )
            rate = float(scheduler.get_last_lr()[0])
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            if ema is not None:
                ema.step(model.parameters())
            latest.append(losses)
            if step % settings.log_every == 0 or step + 1 == settings.steps:
                values = _averaged([losses], fabric)
                if journal is not None:
                    journal.write(step, values | {"learning_rate": rate})
            if journal is not None:
                journal.advance()
                if step % max(1, settings.steps // PREVIEWS) == 0:
                    _preview(journal, step, task, model, drawn, fabric)
                if (step + 1) % settings.checkpoint_every == 0 and step + 1 < settings.steps:
                    checkpoint.save(step + 1, time.perf_counter() - began)
    if ema is not None:
        ema.copy_to(model.parameters())
    final = _averaged(latest, fabric)
    if fabric.is_global_zero:
        write_card(
            folder,
            name,
            model,
            steps=settings.steps,
            seconds=time.perf_counter() - began,
            losses=final,
            batch=len(drawn[0]),
            accumulate=settings.accumulate,
            fabric=fabric,
            facts=facts or {},
        )
    return model.eval()


def keep_weights(path: Path, model: nn.Module) -> None:
    """Write the weights of a training that is done, whose ``state.pt`` beside them is then not needed any more.

    Every process must call this, and goes on once the weights are there.
    """
    if distributed.is_main():
        write_tensors(path, model.state_dict())
        forget_states(path.parent)
    distributed.barrier()


def _step_seed(seed: int, step: int) -> int:
    """Seed of what is random in one step. Torch's generator on a CPU heeds its lower 32 bits alone."""
    return seed << 32 | (step + seed * _ODD) % 2**32


def _quiet_reader(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    """Iterate over the batches without torch's handler of the signal that a process of the loader has died.

    It raises in the midst of whatever runs, say the closing of a file or the handling of the loader's own error, which
    comes without it, too, in seconds.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    handler = signal.getsignal(signal.SIGCHLD) or signal.SIG_DFL
    batches = iter(loader)
    signal.signal(signal.SIGCHLD, handler)
    return batches


@contextmanager
def _dead_readers_told(folder: Path, workers: int) -> Iterator[None]:
    """Say in one line that a process that reads slices ahead was killed, which torch words in several ways."""
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if not workers or (isinstance(error, RuntimeError) and "DataLoader worker" not in str(error)):
            raise
        raise RecipeError(
            f"{folder}: a process that read slices ahead died, most likely for want of memory; the same command with "
            "fewer --workers goes on from the last saved state"
        ) from error


def _backward(net: Any, drawn: tuple[Tensor, ...], task: Task, accumulate: int, fabric: Fabric) -> dict[str, Tensor]:
    """Add up the gradients of this process's rows, part by part; their losses, averaged over the parts."""
    rows = [tensor[fabric.global_rank :: fabric.world_size] for tensor in drawn]
    parts = min(accumulate, len(rows[0]))
    total: dict[str, Tensor] = {}
    for part in range(parts):
        own = tuple(tensor[part::parts] for tensor in rows)
        weight = len(own[0]) * fabric.world_size / len(drawn[0])  # gradients are averaged over the processes
        with fabric.no_backward_sync(net, enabled=part + 1 < parts):
            losses = {key: value * weight for key, value in task.loss(net, own).items()}
            fabric.backward(losses["loss"])
        for key, value in losses.items():
            total[key] = total.get(key, torch.zeros_like(value)) + value.detach()
    return total


def _averaged(steps: Any, fabric: Fabric) -> dict[str, float]:
    """Mean of each loss over steps and processes."""
    keys = steps[0]
    mean = torch.stack([torch.stack([losses[key].detach().float() for key in keys]) for losses in steps]).mean(dim=0)
    reduced: Any = fabric.all_reduce(mean, reduce_op="mean")
    return dict(zip(keys, reduced.tolist(), strict=True))


def _preview(
    journal: Journal, step: int, task: Task, model: nn.Module, drawn: tuple[Tensor, ...], fabric: Fabric
) -> None:
    """Show what the model makes of a few rows; no other process takes part, so that its wrapping is left out."""
    model.eval()
    with torch.no_grad(), fabric.autocast():
        pictures = task.preview(model, tuple(tensor[:PREVIEW_ROWS] for tensor in drawn))
    model.train()
    if pictures is not None:
        journal.show(step, pictures)


def _compiled(model: nn.Module, fabric: Fabric) -> nn.Module:
    """The compiled model; it shares the weights of the plain one, which keeps their plain names."""
    try:
        torch.compile(lambda values: values * 2 + 1)(torch.ones(8, device=fabric.device))
    except Exception as error:  # whatever the tool chain answers
        cause = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RecipeError(f"compile: nothing can be compiled here ({cause}); leave out --compile") from error
    compiled: Any = torch.compile(model)
    return compiled  # type: ignore[no-any-return]


def _learning_rate(step: int, settings: LoopSettings) -> float:
    """Factor on the learning rate: a linear warm-up, then constant or a half cosine down to zero."""
    # A training that is shorter than its warm-up comes to its rate, too.
    warmup = settings.warmup if settings.warmup < settings.steps else settings.steps // 2
    if step < warmup:
        return (step + 1) / warmup
    if not settings.cosine:
        return 1.0
    progress = (step - warmup) / max(1, settings.steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
