"""Bundles by somebody who means harm: whole, with hashes that agree, but for one thing."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

Tensors = dict[str, torch.Tensor]
Entries = dict[str, Any]
Forge = Callable[[Path], object]

SOME = "denoiser.unet.conv_in.weight"
"""A tensor that every bundle has."""


def sign(folder: Path) -> None:
    """Make the hashes agree with what is there now."""
    path = folder / "model.json"
    description = json.loads(path.read_text())
    settings = json.dumps(description["settings"], sort_keys=True)
    description["settings_sha256"] = hashlib.sha256(settings.encode()).hexdigest()
    description["weights_sha256"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(description))


def description(change: Callable[[dict[str, Any]], object], *, signed: bool = True) -> Forge:
    """Change what ``model.json`` says."""

    def forge(folder: Path) -> None:
        path = folder / "model.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        if signed:
            sign(folder)

    return forge


def setting(name: str, value: object) -> Forge:
    """Change one setting, as in ``frame.size``."""
    group, _dot, entry = name.partition(".")
    return description(lambda content: content["settings"][group].update({entry: value}))


def text(change: Callable[[str], str | bytes]) -> Forge:
    """Change the text of ``model.json``, hashes and all."""

    def forge(folder: Path) -> None:
        path = folder / "model.json"
        changed = change(path.read_text())
        path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())

    return forge


def weights(change: Callable[[bytes], bytes]) -> Forge:
    """Change the weights' file."""

    def forge(folder: Path) -> None:
        path = folder / "weights.safetensors"
        path.write_bytes(change(path.read_bytes()))
        sign(folder)

    return forge


def tensors(change: Callable[[Tensors], object]) -> Forge:
    """Change the tensors in the weights' file."""

    def changed(content: bytes) -> bytes:
        found = load(content)
        change(found)
        return save(found)

    return weights(changed)


def header(change: Callable[[Entries], object]) -> Forge:
    """Change what the header of the weights' file says; the data stay."""

    def changed(content: bytes) -> bytes:
        length = int.from_bytes(content[:8], "little")
        entries = json.loads(content[8 : 8 + length])
        change(entries)
        said = json.dumps(entries).encode()
        return len(said).to_bytes(8, "little") + said + content[8 + length :]

    return weights(changed)


def header_text(said: bytes, length: int | None = None) -> Forge:
    """Put another header before the data, whatever it is, and say that it has another length."""
    return weights(lambda content: (len(said) if length is None else length).to_bytes(8, "little") + said + content)


def elsewhere(name: str) -> Forge:
    """Put a link to a file outside the folder in the place of one."""

    def forge(folder: Path) -> None:
        target = folder.parent / f"outside-{name}"
        shutil.move(folder / name, target)
        (folder / name).symlink_to(target)

    return forge


def pipe(name: str) -> Forge:
    """Put a pipe, which nobody writes into, in the place of a file."""

    def forge(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return forge


def directory(name: str) -> Forge:
    """Put a folder in the place of a file."""

    def forge(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return forge


def sparse(name: str, size: int) -> Forge:
    """Let a file be large that takes no room on disk."""

    def forge(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate(size)

    return forge


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def pickled(folder: Path) -> None:
    """Weights that run code when they are unpickled."""
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Bomb(folder.parent / "exploded")))
    sign(folder)


def torch_pickle(folder: Path) -> None:
    """What ``torch.save`` writes, a zip with a pickle in it, under our name."""
    torch.save({"weights": Bomb(folder.parent / "exploded")}, folder / "weights.safetensors")
    sign(folder)


def zipped(folder: Path) -> None:
    """A zip with the weights in it, under their name."""
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.safetensors", content)
    sign(folder)
