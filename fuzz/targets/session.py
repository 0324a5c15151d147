"""A session file: any zip, or any document with any arrays in a whole zip."""

from __future__ import annotations

import base64
import json
import tempfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import nibabel
import numpy as np

from fuzz.archives import npy, zip_of
from fuzz.expect import refusal
from fuzz.mutate import changed_json
from napari_ddmd.case import CaseError
from napari_ddmd.viewer.session.archive import SessionError, read_arrays, read_session

LONGEST = 16_384

_SHAPE = (2, 3, 4)
_LPS = [[-1.0, 0, 0, 0], [0, -1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]
_ZIP, _MEMBERS = range(2)
_BETWEEN = b"\n\n--array--\n\n"
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
_FILE = Path(_FOLDER.name) / "x.ddmd"
_NAMES = ("session.json", "images.npy", "lesion.npy", "written.npy")


def seeds() -> list[bytes]:
    """A session with its images inside, as a zip and as its members."""
    members = [json.dumps(_document()).encode(), *map(npy, _arrays())]
    return [
        bytes([_MEMBERS]) + _BETWEEN.join(members),
        bytes([_MEMBERS]) + members[0],
        bytes([_ZIP]) + zip_of(_NAMES, members, zipfile.ZIP_STORED),
        bytes([_ZIP]) + zip_of(_NAMES, members, zipfile.ZIP_DEFLATED),
    ]


def run(data: bytes) -> None:
    """Read an input as a session, and take from it what opening it takes."""
    content = data[1:]
    if data[:1] == bytes([_MEMBERS]):
        content = zip_of(_NAMES, content.split(_BETWEEN)[: len(_NAMES)], zipfile.ZIP_DEFLATED)
    _FILE.write_bytes(content)
    with refusal(SessionError):
        session = read_session(_FILE)
        read_arrays(_FILE, session)
        with refusal(CaseError):
            assert len(session.case.grid.shape) == 3
        if session.case.header is not None:
            assert session.case.nifti_header is not None


def mutate(data: bytes, random: Random) -> bytes:
    """Change a value of the document, or leave out, double or cut an array."""
    if data[:1] == bytes([_ZIP]):
        return data
    members = data[1:].split(_BETWEEN)
    if random.random() < 0.8:
        members[0] = changed_json(members[0], random)
    else:
        number = random.randrange(len(members))
        member = members[number]
        members[number : number + 1] = random.choice(([], [member] * 2, [member[: random.randrange(len(member) + 1)]]))
    return data[:1] + _BETWEEN.join(members)


def _arrays() -> list[np.ndarray[Any, Any]]:
    lesion = np.zeros(_SHAPE, np.uint8)
    return [np.ones((4, *_SHAPE), np.float32), lesion, lesion]


def _document() -> dict[str, Any]:
    header = nibabel.Nifti1Header()
    header.set_data_shape((4, 3, 2))
    header.set_sform(_LPS, 1)
    return {
        "format": "napari-ddmd session",
        "version": 1,
        "package": "0",
        "case": {
            "name": "x",
            "source_shape": [4, 3, 2],
            "affine": _LPS,
            "header": base64.b64encode(header.binaryblock).decode(),
            "warnings": [],
            "images": [],
            "mask_file": None,
            "has_expert": False,
        },
        "results": None,
        "has_lesion": True,
        "masks": [],
        "looks": [],
        "active": None,
        "in_hand": None,
        "settings": {
            "slice_mode": "brain",
            "first": 0,
            "last": 1,
            "sampling": {"samples": 3, "steps": 5, "sampler": "ddim", "seed": 0},
            "model_name": "tiny",
            "model_sha256": None,
            "threshold": 0.5,
            "tab": "Find",
            "arrangement": "single",
        },
        "view": {
            "point": [0.0, 0.0, 0.0],
            "order": [0, 1, 2],
            "ndisplay": 2,
            "center": [0.0, 0.0, 0.0],
            "zoom": 1.0,
            "angles": [0.0, 0.0, 0.0],
            "orientation": ["towards", "down", "right"],
        },
    }
