"""The state that a training goes on from after it was killed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from src_training.files import replacing
from src_training.recipe import RecipeError


@dataclass(frozen=True)
class Checkpoint:
    """``state.pt``: all that changes in the course of a training.

    Attributes
    ----------
    path
        The file; it is whole or absent.
    model, optimizer, scheduler, ema, scaler
        What is saved and loaded; the last two may be None.
    """

    path: Path
    model: nn.Module
    optimizer: Any
    scheduler: Any
    ema: Any
    scaler: Any

    def save(self, step: int, seconds: float) -> None:
        """Write the state after ``step`` steps, which took so long.

        Raises
        ------
        RecipeError
            If it cannot be written; the state before it is kept.
        """
        parts = {name: getattr(self, name) for name in ("model", "optimizer", "scheduler", "ema", "scaler")}
        state = {name: None if part is None else part.state_dict() for name, part in parts.items()}
        with replacing(self.path) as file:
            torch.save({"step": step, "seconds": seconds} | state, file)

    def load(self) -> tuple[int, float]:
        """Load the state, if there is one; the steps done so far, and the seconds that they took.

        Raises
        ------
        RecipeError
            If the file is damaged, or of another network.
        """
        if not self.path.exists():
            return 0, 0.0
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)  # runs no code from the file
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scheduler.load_state_dict(state["scheduler"])
            if self.ema is not None:
                self.ema.load_state_dict(state["ema"])
                self.ema.to(next(self.model.parameters()).device)
            if self.scaler is not None and state.get("scaler"):
                self.scaler.load_state_dict(state["scaler"])
            return int(state["step"]), float(state.get("seconds", 0.0))
        except Exception as error:  # garbage makes an unpickler raise anything
            cause = next(iter(str(error).strip().splitlines()), type(error).__name__)[:120]
            raise RecipeError(
                f"{self.path}: is damaged or of another network ({cause}); delete it to begin this training again"
            ) from error
