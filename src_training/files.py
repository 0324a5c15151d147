"""Files that are whole or absent, whenever the process dies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under another name, then move it into its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_json(path: Path, data: Any) -> None:
    """Write plain containers as JSON."""
    write_bytes(path, (json.dumps(data, indent=1) + "\n").encode())


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array that `numpy.load` can memory-map."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    temporary.replace(path)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors as safetensors."""
    write_bytes(path, save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()}))
