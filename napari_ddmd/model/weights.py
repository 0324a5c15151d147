"""Weights as safetensors: in half precision, and exactly the tensors that the networks have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from napari_ddmd.model.foreign import strict_json

_Networks = TypeVar("_Networks", bound=nn.Module)

MOST_BYTES: Final = 512 * 2**20
"""Twice what the paper's model has on disk; four times as much memory is held while a file is read."""
_MOST_HEADER_BYTES: Final = 2**20
_LENGTH_BYTES: Final = 8
_CODES: Final = {torch.float16: "F16", torch.int64: "I64"}


def stored_weights(networks: nn.Module) -> dict[str, Tensor]:
    """Half-precision copies: the rounding is far below the noise of training, and halves the package."""
    return {
        key: value.detach().to("cpu", _stored_dtype(value)).contiguous() for key, value in networks.state_dict().items()
    }


def weights_content(networks: nn.Module) -> bytes:
    """The content of the file."""
    return save(stored_weights(networks))


def without_memory(make: Callable[[], _Networks]) -> _Networks:
    """Make networks of shapes alone, which `fill` gives their weights.

    Raises
    ------
    ValueError
        If they are larger than any model that is read.
    """
    with torch.device("meta"):
        networks = make()
    needed = _data_bytes(networks)
    if needed > MOST_BYTES:
        raise ValueError(
            f"settings ask for {needed / 2**20:,.0f} MB of weights; {MOST_BYTES >> 20} MB at most are read"
        )
    return networks


def most_file_bytes(networks: nn.Module) -> int:
    """Bytes that the file of some networks can have at most."""
    return _LENGTH_BYTES + _MOST_HEADER_BYTES + _data_bytes(networks)


def fill(networks: nn.Module, content: bytes) -> None:
    """Give networks their weights, in single precision.

    Raises
    ------
    ValueError
        If the file is not safetensors, has other tensors than the networks, or values that are not finite.
    """
    _refuse_other_tensors(_header(content), networks)
    try:
        stored = load(content)
    except SafetensorError as error:
        raise ValueError(f"is no whole safetensors file ({error})") from error
    for key, value in stored.items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{key} holds NaN or infinite values")
    weights = {key: value.float() if value.is_floating_point() else value for key, value in stored.items()}
    networks.load_state_dict(weights, assign=True)


def _stored_dtype(value: Tensor) -> torch.dtype:
    return torch.float16 if value.is_floating_point() else value.dtype


def _data_bytes(networks: nn.Module) -> int:
    return sum(value.numel() * _stored_dtype(value).itemsize for value in networks.state_dict().values())


def _header(content: bytes) -> dict[str, object]:
    """The tensors that a file says that it has; where they lie in it is for the library to check."""
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not 0 < length <= min(_MOST_HEADER_BYTES, len(content) - _LENGTH_BYTES):
        raise ValueError("is no safetensors file")
    try:
        header = strict_json(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except ValueError as error:
        raise ValueError(f"is no safetensors file (its header: {error})") from error
    if not isinstance(header, dict):
        raise ValueError("is no safetensors file")
    header.pop("__metadata__", None)
    return header


def _refuse_other_tensors(header: dict[str, object], networks: nn.Module) -> None:
    wanted = networks.state_dict()
    for problem, keys in (("lacks", wanted.keys() - header.keys()), ("has an extra", header.keys() - wanted.keys())):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise ValueError(f"{problem} tensor {min(keys)[:100]}{more}")
    for key, value in wanted.items():
        entry = header[key]
        there = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        should = (_CODES[_stored_dtype(value)], list(value.shape))
        if there != should:
            raise ValueError(f"{key} is {_words(*there)}, the settings ask for {_words(*should)}")


def _words(dtype: object, shape: object) -> str:
    return f"{dtype} {shape}"[:100]
