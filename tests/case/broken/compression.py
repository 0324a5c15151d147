"""Compressed streams that are damaged, bombs, or not what the name says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from tests.case.broken.broken import KINDS, Broken, edited, in_turn, nifti, packed, with_file, with_files

_BROKEN = "(the compressed data is damaged|the file is cut short|not a NIfTI file|the header is damaged|holds far more)"


def _noise(kind: str) -> bytes:
    """A file that deflate cannot shrink, so that each bit of the stream matters."""
    numbers = np.random.default_rng(KINDS.index(kind)).integers(0, 2 if kind == "seg" else 9999, (6, 7, 5))
    return nifti(kind, numbers.astype(np.int16))


def _flipped(kind: str, place: float, bit: int) -> bytes:
    raw = bytearray(packed(_noise(kind)))
    raw[10 + int(place * (len(raw) - 11))] ^= 1 << bit
    return bytes(raw)


def _flips() -> list[Broken]:
    cases = []
    for number, place in enumerate(np.linspace(0, 1, 40)):
        kind, bit = in_turn(number), number % 8
        write = with_file(kind, lambda kind=kind, place=place, bit=bit: _flipped(kind, place, bit))
        cases.append(Broken(f"bit {bit} flipped at {place:.3f}", write, refused=rf"_{kind}\.nii\.gz: "))
    return cases


def _tar(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        about = tarfile.TarInfo("x_t1.nii")
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    return stream.getvalue()


def _zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x_t1.nii", content)
    return stream.getvalue()


_WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip twice": lambda content: packed(packed(content)),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "tar": _tar,
    "tar.gz": lambda content: packed(_tar(content)),
    "zip": _zip,
    "a date before": lambda content: b"2024-01-01\n" + packed(content),
    "garbage behind": lambda content: packed(content) + b"garbage",
    "a wrong checksum": lambda content: packed(content)[:-8] + b"\1\2\3\4" + packed(content)[-4:],
    "a wrong length": lambda content: packed(content)[:-4] + b"\1\2\3\4",
    "another method": lambda content: b"\x1f\x8b\7" + packed(content)[3:],
    "a name without end": lambda content: b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 2000,
    "a field without end": lambda content: b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff" + b"x" * 2000,
    "600 kB of a name behind": lambda content: packed(content) + b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 600_000,
    "600 kB of a comment": lambda content: (
        b"\x1f\x8b\x08\x10" + bytes(6) + b"x" * 600_000 + b"\0" + packed(content)[10:]
    ),
    "a name of 600 kB and a whole stream behind": lambda content: (
        packed(content) + b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 600_000 + b"\0" + packed(b"")[10:]
    ),
    "a second stream that is cut": lambda content: packed(content[:500]) + packed(content[500:])[:-9],
    "the voxels twice": lambda content: packed(content) + packed(content[352:]),
    "two files in one": lambda content: packed(content) + packed(content),
    "no more than 4 MB behind": lambda content: packed(content + bytes(4 * 2**20)),
    "20 MB of zeros for a header": lambda content: packed(content[:344] + bytes(20 * 2**20)),
}
_WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "zeros behind": lambda content: packed(content) + bytes(512),
    "many streams": lambda content: b"".join(packed(content[i : i + 50]) for i in range(0, len(content), 50)),
    "empty streams between": lambda content: packed(content[:400]) + packed(b"") * 9 + packed(content[400:]),
    "no compression": lambda content: gzip.compress(content, 0, mtime=0),
    "the original's name": lambda content: b"\x1f\x8b\x08\x08" + bytes(6) + b"Doe.nii\0" + packed(content)[10:],
    "a few bytes behind the voxels": lambda content: packed(content + bytes(48)),
}

CASES = [
    *_flips(),
    *(
        Broken(
            f"{name} in {kind}",
            with_file(kind, lambda wrap=wrap, kind=kind: wrap(nifti(kind))),
            refused=rf"_{kind}.*: {_BROKEN}",
        )
        for n, (name, wrap) in enumerate(_WRAPPINGS.items())
        for kind in (in_turn(n), in_turn(n + 2))
    ),
    *(Broken(f"whole: {name}", with_files(lambda kind, w=wrap: w(nifti(kind)))) for name, wrap in _WHOLE.items()),
    *(
        Broken(
            f"{kind}.nii is compressed",
            with_file(kind, lambda kind=kind: packed(nifti(kind)), ".nii"),
            warned=rf"_{kind}\.nii: is compressed, against its name",
        )
        for kind in KINDS
    ),
    *(
        Broken(
            f"{kind}.nii.gz is not compressed",
            with_file(kind, lambda kind=kind: nifti(kind)),
            warned=rf"_{kind}\.nii\.gz: is not compressed, against its name",
        )
        for kind in KINDS
    ),
    *(
        Broken(f"the name ends in {ending}", edited(in_turn(n), ending))
        for n, ending in enumerate((".NII", ".NII.GZ", ".Nii.gz", ".nii.GZ"))
    ),
]
