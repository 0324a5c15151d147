"""The card of a finished training: what was trained, on what, how long, and how far it came."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn

from src_training.files import write_bytes, write_json


def write_card(
    folder: Path,
    name: str,
    model: nn.Module,
    *,
    steps: int,
    seconds: float,
    losses: Mapping[str, float],
    batch: int,
    accumulate: int,
    fabric: Fabric,
    facts: Mapping[str, object],
) -> None:
    """Write ``card.md`` and, for programs, ``timing.json`` with ``seconds`` and ``steps``.

    Parameters
    ----------
    folder, name, model
        Of the training.
    steps, seconds
        All of them, those before an interruption included.
    losses
        Means over the last interval of the log.
    batch
        Slices a step, over all processes.
    accumulate
        Parts in which a process takes its rows.
    fabric
        Tells device, precision and processes.
    facts
        More rows, such as counts of the data.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    rows: dict[str, object] = {
        "Network": f"{type(model).__name__}, {parameters:,} parameters",
        **facts,
        "Steps": f"{steps:,}",
        "Batch": f"{batch} slices" + (f", in {accumulate} parts" if accumulate > 1 else ""),
        "Precision": _precision(fabric),
        "Device": _device(fabric.device),
        "Processes": fabric.world_size,
        "Time": f"{seconds:.1f} s, {steps / max(seconds, 1e-9):.2f} steps/s",
        "PyTorch": torch.__version__,
        **{f"Final {key.replace('_', ' ')}": f"{value:.6g}" for key, value in losses.items()},
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    text = (
        f"# {name}\n\n| | |\n| --- | --- |\n{table}\n\n"
        "Final losses are means over the steps of the last interval. The curves and previews:\n\n"
        f"```bash\ntensorboard --logdir {folder}\n```\n"
    )
    write_json(folder / "timing.json", {"seconds": seconds, "steps": steps})
    write_bytes(folder / "card.md", text.encode())


def _precision(fabric: Fabric) -> str:
    return str(fabric.strategy.precision.precision)


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {platform.machine()}, {torch.get_num_threads()} threads"
