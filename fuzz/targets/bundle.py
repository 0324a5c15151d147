"""A model's folder: any ``model.json``, and weights whose header is any text."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzz.expect import refusal
from fuzz.mutate import changed_json
from napari_ddmd.model import BundleError, read_bundle, save_bundle, untrained_bundle
from napari_ddmd.model.bundle import SETTINGS_FILE, WEIGHTS_FILE

LONGEST = 65_536

_AS_IT_IS, _HASHES_MADE_RIGHT, _OTHER_WEIGHTS = range(3)
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
_PLACE = Path(_FOLDER.name)
_BETWEEN = b"\n\n--weights--\n\n"


@cache
def _whole() -> tuple[bytes, bytes, bytes]:
    """A small model: its description, the header of its weights, and the weights behind that."""
    folder = save_bundle(_PLACE / "whole", untrained_bundle("mini", frame_size=16))
    weights = (folder / WEIGHTS_FILE).read_bytes()
    length = int.from_bytes(weights[:8], "little")
    return (folder / SETTINGS_FILE).read_bytes(), weights[8 : 8 + length], weights[8 + length :]


def seeds() -> list[bytes]:
    """A whole model in each of the ways in which the rest is put to it."""
    description, header, _ = _whole()
    compact = json.dumps(json.loads(description)).encode()
    return [
        bytes([_AS_IT_IS]) + description,
        bytes([_HASHES_MADE_RIGHT]) + compact,
        bytes([_OTHER_WEIGHTS]) + header,
        bytes([_OTHER_WEIGHTS]) + header[:2000] + _BETWEEN + b"\0" * 64,
    ]


def run(data: bytes) -> None:
    """Read an input as a model."""
    kind = data[0] % 3 if data else _AS_IT_IS
    description, header, values = _whole()
    weights = _weights(header, values)
    if kind == _OTHER_WEIGHTS:
        other, between, tail = data[1:].partition(_BETWEEN)
        weights = _weights(other, tail if between else values)
    else:
        description = data[1:]
    if kind != _AS_IT_IS:
        description = _with_hashes(description, weights)
    folder = _PLACE / "read"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / SETTINGS_FILE).write_bytes(description)
    (folder / WEIGHTS_FILE).write_bytes(weights)
    with refusal(BundleError):
        bundle = read_bundle(folder)
        assert not any(weight.isnan().any() for weight in bundle.networks.state_dict().values())


def mutate(data: bytes, random: Random) -> bytes:
    """Change a value of the description, or of the weights' header."""
    text, between, tail = data[1:].partition(_BETWEEN)
    return data[:1] + changed_json(text, random) + between + tail


def _weights(header: bytes, values: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + values


def _with_hashes(description: bytes, weights: bytes) -> bytes:
    """Make the hashes right, which no fuzzer could guess: what stands behind their check is to be reached."""
    try:
        parsed: Any = json.loads(description)
        if isinstance(parsed, dict):
            parsed["weights_sha256"] = hashlib.sha256(weights).hexdigest()
            settings = json.dumps(parsed.get("settings"), sort_keys=True)
            parsed["settings_sha256"] = hashlib.sha256(settings.encode()).hexdigest()
            return json.dumps(parsed).encode()
    except (ValueError, RecursionError):
        pass
    return description
