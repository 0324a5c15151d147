"""A file of edits that an earlier session has left: any zip, or any three arrays in a whole zip."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.archives import npy, zip_of
from fuzz.expect import refusal
from napari_ddmd.viewer.autosave import Autosave, AutosaveError, Edits, read_edits

LONGEST = 8192

_SHAPE = (2, 3, 4)
_KEY = "0123456789abcdef01234567"
_ZIP, _MEMBERS = range(2)
_BETWEEN = b"\n\n--array--\n\n"
_NAMES = ("mask.npy", "written.npy", "threshold.npy", "more.npy")
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
_PLACE = Path(_FOLDER.name) / "autosave"
_FILE = _PLACE / f"{_KEY}-12345678.npz"
# Of numpy's headers, which are text.
_WORDS = (
    b"|u1",
    b"<f8",
    b">f8",
    b"|O",
    b"<U9",
    b"|b1",
    b"<f2",
    b"|V1",
    b"True",
    b"False",
    b"(2, 3, 4)",
    b"()",
    b"(1,)",
)
_OTHERS = (*_WORDS, b"(-1, 3, 4)", b"(99999999999, 3, 4)", b"(2**9,)", b"None", b"[('a', '|u1')]", b"1" * 400, b"")


def seeds() -> list[bytes]:
    """Edits as the product saves them, as their arrays, and what is none."""
    members = [npy(array) for array in _arrays()]
    return [
        bytes([_ZIP]) + _saved(),
        bytes([_ZIP]) + zip_of(_NAMES, members, zipfile.ZIP_STORED),
        bytes([_MEMBERS]) + _BETWEEN.join(members),
        bytes([_MEMBERS]) + _BETWEEN.join([*members, members[0]]),
        bytes([_MEMBERS]) + _BETWEEN.join([*members[:2], npy(np.array([0.5]))]),
    ]


def run(data: bytes) -> None:
    """Read an input as edits, and find it as a session does that begins."""
    content = data[1:]
    if data[:1] == bytes([_MEMBERS]):
        content = zip_of(_NAMES, content.split(_BETWEEN)[: len(_NAMES)], zipfile.ZIP_DEFLATED)
    shutil.rmtree(_PLACE, ignore_errors=True)
    _PLACE.mkdir()
    _FILE.write_bytes(content)
    with refusal(AutosaveError):
        _check(read_edits(_FILE, _SHAPE))
    found, problems = Autosave(_PLACE).find(_KEY, _SHAPE)
    assert (found is None) == (len(problems) == 1)
    assert all(len(problem.splitlines()) == 1 for problem in problems)
    if found is not None:
        _check(found.edits)


def mutate(data: bytes, random: Random) -> bytes:
    """Change a word of an array's header, or leave out, double or cut an array."""
    if data[:1] == bytes([_ZIP]):
        return data
    members = data[1:].split(_BETWEEN)
    number = random.randrange(len(members))
    member = members[number]
    if random.random() < 0.7:
        there = [word for word in _WORDS if word in member]
        if there:
            member = member.replace(random.choice(there), random.choice(_OTHERS), 1)
        members[number] = member
    else:
        members[number : number + 1] = random.choice(([], [member] * 2, [member[: random.randrange(len(member) + 1)]]))
    return data[:1] + _BETWEEN.join(members)


def _check(edits: Edits) -> None:
    assert edits.mask.shape == edits.written.shape == _SHAPE
    assert 0 <= edits.threshold < 1
    assert all(0 <= index < _SHAPE[0] for index in edits.edited_slices)


def _arrays() -> list[np.ndarray[Any, Any]]:
    mask = np.zeros(_SHAPE, np.uint8)
    mask[1, 1] = 1
    return [mask, np.zeros(_SHAPE, np.uint8), np.asarray(0.5)]


def _saved() -> bytes:
    stream = io.BytesIO()
    mask, written, threshold = _arrays()
    np.savez_compressed(stream, mask=mask, written=written, threshold=threshold)
    return stream.getvalue()
