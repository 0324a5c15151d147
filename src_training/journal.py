"""What a person reads of a training: a bar or a line an interval, ``log.jsonl``, and TensorBoard."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from src_training.files import telling_of, write_bytes


class Journal:
    """Records of one training, from the step that it begins or goes on with; a context manager.

    Parameters
    ----------
    folder
        Of the training.
    name
        How the training is called on the screen.
    start, steps
        The first step that is taken now, and the number of all steps.
    """

    def __init__(self, folder: Path, name: str, start: int, steps: int) -> None:
        self.name, self.start, self.steps = name, start, steps
        self._began = time.perf_counter()
        self._path = folder / "log.jsonl"
        _forget_steps(self._path, start)
        with telling_of(self._path):
            self._log = self._path.open("a", encoding="utf-8")
            # write() and add_images() come from another thread, which tells of its faults at the next call.
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start)
        # In a file of a cluster's job a bar is one endless line.
        self._bar = tqdm(
            total=steps,
            initial=start,
            desc=name,
            unit="step",
            mininterval=1.0,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        try:
            with telling_of(self._path):
                self._log.close()
                self._board.close()
        except ValueError:
            if error is None:  # else the first fault is the one to tell of
                raise

    def advance(self) -> None:
        """One step is done."""
        self._bar.update()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Note the losses and the learning rate of a step."""
        with telling_of(self._path):
            self._log.write(json.dumps({"step": step, **values}) + "\n")
            self._log.flush()
            for key, value in values.items():
                self._board.add_scalar(key, value, step)
        self._bar.set_postfix(loss=f"{values['loss']:.4f}")
        if self._bar.disable:
            print(self._line(step, values), file=sys.stderr, flush=True)

    def show(self, step: int, pictures: Tensor) -> None:
        """Keep pictures ``(N, 3, h, w)`` in [0, 1]."""
        with telling_of(self._path):
            self._board.add_images("preview", pictures.detach().float().clamp(0, 1).cpu(), step)

    def _line(self, step: int, values: Mapping[str, float]) -> str:
        done = step + 1 - self.start
        speed = done / max(time.perf_counter() - self._began, 1e-9)
        left = _clock((self.steps - step - 1) / speed)
        return (
            f"{self.name}: step {step + 1}/{self.steps}  loss {values['loss']:.4f}  "
            f"learning rate {values['learning_rate']:.2e}  {speed:.2f} steps/s  {left} left"
        )


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _forget_steps(path: Path, start: int) -> None:
    """Drop the log's lines of steps that were taken after the last saved state, and are taken again."""
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        write_bytes(path, b"".join(line for line in lines if _is_before(line, start)))


def _is_before(line: bytes, start: int) -> bool:
    """Tell whether a line of the log is of a step before another; one that a kill or a power cut tore is of none."""
    try:
        return line.endswith(b"\n") and bool(json.loads(line)["step"] < start)
    except (ValueError, TypeError, KeyError):
        return False
