"""One training loop for everything that is trained: resumable at any step, logged, averaged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from lightning.fabric import Fabric
from lightning.fabric.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from napari_ddmd.device import inference_dtype, pick_device
from src_training.files import write_bytes
from src_training.recipe import Recipe, RecipeError

Loss = Callable[[nn.Module, tuple[Tensor, ...], torch.Generator], dict[str, Tensor]]
"""Losses of a batch; ``"loss"`` is minimised, all are logged. The generator depends on the seed and the step alone."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """What the loop needs to know."""

    steps: int
    learning_rate: float
    weight_decay: float = 0.0
    warmup: int = 0
    cosine: bool = False
    ema_decay: float | None = None
    checkpoint_every: int = 500
    log_every: int = 10


def make_fabric(recipe: Recipe) -> Fabric:
    """Lightning Fabric on the device and in the precision of the recipe."""
    device = pick_device(recipe.device)
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16-mixed" if inference_dtype(device) == torch.bfloat16 else "32-true"
    devices = [device.index] if device.type == "cuda" and ":" in str(device) else 1
    return Fabric(accelerator=device.type, devices=devices, precision=precision)


def train(
    folder: Path,
    model: nn.Module,
    batches: Dataset[tuple[Tensor, ...]],
    loss: Loss,
    settings: LoopSettings,
    *,
    fabric: Fabric,
    seed: int,
    workers: int,
    name: str,
) -> nn.Module:
    """Train ``model`` in place and return it with its averaged weights.

    ``folder/state.pt`` is rewritten every ``checkpoint_every`` steps and holds all that is needed to go on: a
    training that was killed resumes from there and meets the batches, noise and learning rates that it would have met.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate(step, settings))
    net, optimizer = fabric.setup(model, optimizer)
    ema = None
    if settings.ema_decay is not None:
        ema = EMAModel(model.parameters(), decay=settings.ema_decay, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
    start = _resume(folder / "state.pt", model, optimizer, scheduler, ema)
    loader = DataLoader(batches, batch_size=None, sampler=range(start, settings.steps), num_workers=workers)
    on_device: Any = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
    _forget_steps(folder / "log.jsonl", start)
    board = TensorBoardLogger(folder, name=None, version="tensorboard", purge_step=start)
    net.train()
    with (
        (folder / "log.jsonl").open("a", encoding="utf-8") as log,
        tqdm(total=settings.steps, initial=start, desc=name, unit="step", mininterval=1.0) as bar,
    ):
        for step, batch in zip(range(start, settings.steps), on_device, strict=True):
            torch.manual_seed((seed << 32) + step)  # of dropout, which takes no generator
            generator = torch.Generator(device=fabric.device).manual_seed((seed << 32) + step)
            losses = loss(net, batch, generator)
            fabric.backward(losses["loss"])
            norm = fabric.clip_gradients(net, optimizer, max_norm=1.0, error_if_nonfinite=False)
            if norm is None or not torch.isfinite(losses["loss"].detach() + norm):
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
            if step % settings.log_every == 0 or step + 1 == settings.steps:
                values = {key: float(value.detach()) for key, value in losses.items()}
                values["learning_rate"] = rate
                log.write(json.dumps({"step": step, **values}) + "\n")
                log.flush()
                board.log_metrics(values, step)
                bar.set_postfix(loss=f"{values['loss']:.4f}")
            bar.update()
            if (step + 1) % settings.checkpoint_every == 0 and step + 1 < settings.steps:
                _save(folder / "state.pt", step + 1, model, optimizer, scheduler, ema)
    board.finalize("success")
    if ema is not None:
        ema.copy_to(model.parameters())
    return model.eval()


def _learning_rate(step: int, settings: LoopSettings) -> float:
    """Factor on the learning rate: a linear warm-up, then constant or a half cosine down to zero."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if not settings.cosine:
        return 1.0
    progress = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _forget_steps(path: Path, start: int) -> None:
    """Drop the log's lines of steps that were taken after the last saved state, and are taken again."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]  # a kill can tear the last one
        write_bytes(path, "".join(line for line in whole if json.loads(line)["step"] < start).encode())


def _save(path: Path, step: int, model: nn.Module, optimizer: Any, scheduler: Any, ema: Any) -> None:
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "ema": None if ema is None else ema.state_dict(),
    }
    temporary = path.with_name(f".{path.name}.part")
    torch.save(state, temporary)
    temporary.replace(path)


def _resume(path: Path, model: nn.Module, optimizer: Any, scheduler: Any, ema: Any) -> int:
    """Load the last state, if there is one; the step to go on with."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)  # runs no code from the file
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    if ema is not None:
        ema.load_state_dict(state["ema"])
        ema.to(next(model.parameters()).device)
    return int(state["step"])
