"""What is no image at all under an image's name, and images of other formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.case.broken.broken import NAME, Broken, in_turn, nifti, packed, with_file, write_healthy

_NOTHING = "(not a NIfTI file|the compressed data is damaged|cut short|the header is damaged|pair of files|promises|-D)"
_CONTENTS: dict[str, bytes] = {
    "a page of HTML": b"<!DOCTYPE html><html><head><title>403 Forbidden</title></head></html>" * 12,
    "JSON": json.dumps({"Modality": "MR", "MagneticFieldStrength": 3, "notes": "x" * 600}).encode(),
    "a table": b"subject,age,site\n" + b"1,70,leeds\n" * 90,
    "a pointer of git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4071\n",
    "text of UTF-16": ("the image" * 100).encode("utf-16"),
    "a line": b"see the other folder\n",
    "the word NIfTI": b"NIfTI n+1 ni1 n+2" * 60,
    "a PNG": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "a JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 4,
    "DICOM": bytes(128) + b"DICM" + bytes(range(256)) * 4,
    "Analyze 7.5": b"\x5c\x01\0\0" + bytes(36) + b"\3\0\6\0\7\0\5\0" + bytes(500),
    "MINC": b"CDF\1" + bytes(900),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(900),
    "NRRD": b"NRRD0004\ntype: short\ndimension: 3\n" + bytes(900),
    "a PDF": b"%PDF-1.7\n" + b"%\xe2\xe3\xcf\xd3" * 200,
    "a program": b"\x7fELF\2\1\1" + bytes(range(256)) * 4,
    "a script": b"#!/bin/sh\nrm -rf /\n" * 40,
    "a pickle": b"\x80\x04\x95" + bytes(range(256)) * 4,
    "NumPy": b"\x93NUMPY\1\0v\0{'descr': '<i2'}" + bytes(900),
    "zeros": bytes(2000),
    "ones": b"\xff" * 2000,
    "line ends that were changed": nifti("t1").replace(b"\x07", b"\r\n").replace(b"\x05", b"\r\n"),
    "base64": b"XAEAAAAAAAAAAAAAAAAAAAAA" * 50,
}


def _random(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(900)


def _random_behind_a_beginning(seed: int) -> bytes:
    """Noise that passes for NIfTI at a first look: the length of the header and the magic are right."""
    noise = bytearray(_random(seed))
    noise[:4], noise[344:348] = b"\x5c\x01\0\0", b"n+1\0"
    return bytes(noise)


def _other_format(ending: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        case = write_healthy(folder, but=("t2",))
        (case / f"{NAME}_t2{ending}").write_bytes(b"ObjectType = Image\n")
        return case

    return write


CASES = [
    *(
        Broken(f"{name} as {ending}", with_file(in_turn(n), lambda c=content: c, ending), refused=_NOTHING)
        for n, (name, content) in enumerate(_CONTENTS.items())
        for ending in (".nii", ".nii.gz")
    ),
    *(
        Broken(f"{name}, packed", with_file(in_turn(n + 1), lambda c=content: packed(c)), refused=_NOTHING)
        for n, (name, content) in enumerate(_CONTENTS.items())
    ),
    *(
        Broken(f"noise {seed}", with_file("t1", lambda s=seed: _random(s), (".nii", ".nii.gz")[seed % 2]), refused="n")
        for seed in range(12)
    ),
    *(
        Broken(
            f"noise {seed} that begins well",
            with_file(in_turn(seed), lambda s=seed: _random_behind_a_beginning(s), ".nii"),
            refused=_NOTHING,
        )
        for seed in range(25)
    ),
    *(
        Broken(f"t2 as {ending}", _other_format(ending), refused=rf"{ending} files are not read; convert it to NIfTI")
        for ending in (".mha", ".mhd", ".nrrd", ".img", ".hdr")
    ),
]
