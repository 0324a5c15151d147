"""The state that a training goes on from after it was killed."""

from __future__ import annotations

import errno
import os
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_ddmd.faults import is_out_of_memory
from src_training.files import replacing, telling_of
from src_training.recipe import RecipeError

STATE, PREVIOUS, DAMAGED = "state.pt", "state.previous.pt", "state.damaged.pt"


@dataclass(frozen=True)
class Checkpoint:
    """``state.pt``: all that changes in the course of a training; and the one before it, should a disk damage it.

    Attributes
    ----------
    path
        The file; it is whole or absent.
    model, optimizer, scheduler, ema, scaler
        What is saved and loaded; the last two may be None.
    is_main
        Whether this process alone, or the first of those that train together, keeps the file and speaks of it.
    """

    path: Path
    model: nn.Module
    optimizer: Any
    scheduler: Any
    ema: Any
    scaler: Any
    is_main: bool = True

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
            self._keep_previous()

    def load(self) -> tuple[int, float]:
        """Load the last good state, if there is any; the steps done so far, and the seconds that they took.

        What was found is said on standard error. A damaged file is put aside, so that it never takes the place of the
        good one before it.

        Raises
        ------
        RecipeError
            If there is a state, but none that is whole and of this network.
        OSError
            If a state cannot be read just now; it stays where it is.
        """
        previous = self.path.with_name(PREVIOUS)
        fault: Exception | None = None
        for path in (self.path, previous):
            try:
                reached = self._read(path)
            except FileNotFoundError:
                continue
            except Exception as error:  # garbage makes an unpickler raise anything
                # Here the state may be whole, and must not be put aside.
                if is_out_of_memory(error):
                    raise
                if isinstance(error, OSError) and _is_the_systems(error):
                    raise OSError(error.errno, error.strerror, str(path)) from error
                fault = fault or error
                continue
            if fault is not None:
                self._say(f"{self.path}: is damaged ({_cause(fault)}); it is put aside as {DAMAGED}")
                if self.is_main:
                    with telling_of(self.path), suppress(FileNotFoundError):
                        self.path.replace(self.path.with_name(DAMAGED))
            self._say(f"{path}: goes on from step {reached[0]}")
            return reached
        if fault is None:
            return 0, 0.0
        them = f"it and {PREVIOUS}" if previous.exists() else "it"
        raise RecipeError(
            f"{self.path}: is damaged or of another network ({_cause(fault)}); "
            f"delete {them} to begin this training again"
        ) from fault

    def _say(self, text: str) -> None:
        if self.is_main:
            print(text, file=sys.stderr, flush=True)

    def _keep_previous(self) -> None:
        """Give the state that is about to be replaced a second name; where a disk has none to give, there is none."""
        previous = self.path.with_name(PREVIOUS)
        if self.path.exists():
            with suppress(OSError):
                previous.unlink(missing_ok=True)
                os.link(self.path, previous)

    def _read(self, path: Path) -> tuple[int, float]:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums that it writes
            torn = archive.testzip()
        if torn is not None:
            raise ValueError(f"the checksum of {torn} is wrong")
        state = torch.load(path, map_location="cpu", weights_only=True)  # runs no code from the file
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
            self.ema.to(next(self.model.parameters()).device)
        if self.scaler is not None and state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        return int(state["step"]), float(state.get("seconds", 0.0))


def forget_states(folder: Path) -> None:
    """Remove the states of a training that is done."""
    for name in (STATE, PREVIOUS, DAMAGED):
        (folder / name).unlink(missing_ok=True)


def _is_the_systems(error: OSError) -> bool:
    """Whether the system could not read a file just now: too many are open, a mount is stale, there is no permission.

    Not so where a library that unpacks raises one without a number, or a damaged file leads to a place that cannot be.
    """
    return error.errno not in (None, errno.EINVAL)


def _cause(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:120]
