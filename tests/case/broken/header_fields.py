"""Header fields that lie, contradict each other or say nothing."""

from __future__ import annotations

import struct

import numpy as np

from tests.case.broken.broken import Broken, all_edited, edited, in_turn, nifti, packed, with_file

_NAN, _INF = np.nan, np.inf
_DAMAGED = "the header is damaged"


def _one_by_one(what: str, fields: list[tuple[str, object, str]], *, are_refused: bool) -> list[Broken]:
    """A case for each field and value, plain and compressed in turn, and in one file after the other."""
    cases = []
    for number, (field, value, says) in enumerate(fields):
        kind, ending = in_turn(number), (".nii", ".nii.gz")[number % 2]
        write = edited(kind, ending, fields={field: value})
        pattern = rf"_{kind}\{ending}: [^\n]*{says}"
        name = f"{what} {field} = {value}"
        cases.append(Broken(name, write, **{"refused" if are_refused else "warned": pattern}))
    return cases


_MAGIC = [
    (f"magic {magic!r}", magic)
    for magic in (b"", b"n+1\1", b"N+1", b"n+3", b"ni3", b"n-1", b"\xff\xff\xff\xff", b"1+n", b"nii", b"n+1 ")
]
_OFFSETS = (_NAN, _INF, -_INF, -1, -352, 1, 4, 100, 347, 348, 351.9, 352.5, 400, 773, 1e5, 2**27, 1e9, 1e20, 3e38)
_FIELDS_REFUSED = [
    *[("vox_offset", value, f"({_DAMAGED}|cut short|holds far more)") for value in _OFFSETS],
    *[("bitpix", value, _DAMAGED) for value in (0, 1, 8, 15, 32, 64, 128, -16, 32767, -32768)],
    *[("scl_inter", value, _DAMAGED) for value in (_NAN, _INF, -_INF)],
    *[("datatype", value, _DAMAGED) for value in (3, 5, 17, 63, 255, 999, 4000, -1, -4, 32767, -32768)],
    *[("datatype", value, "(colours|damaged|cut short)") for value in (0, 1, 32, 128, 1536, 1792, 2048, 2304)],
    # Another plain type, whose length is not the one that bitpix tells.
    *[("datatype", value, _DAMAGED) for value in (2, 8, 16, 64, 256, 768, 1024, 1280)],
]
_FIELDS_WARNED = [
    *[("sizeof_hdr", value, "its own size") for value in (0, -1, 1, 347, 349, 540, 2**31 - 1)],
    *[("scl_slope", value, "the header's scale factor is") for value in (_NAN, _INF, -_INF)],
    ("vox_offset", 0, "does not tell where the voxels begin"),
    ("xyzt_units", 1, "measures voxels in metres"),
    ("xyzt_units", 3 + 8, "measures voxels in micrometres"),
]
# What nothing here depends on, and what the standard leaves open.
_FIELDS_OF_NO_MATTER = [
    ("scl_slope", 0),
    ("magic", b"n+1\0"),
    ("dim_info", 255),
    ("intent_code", -1),
    ("intent_code", 32767),
    ("slice_code", 127),
    ("slice_start", -1),
    ("slice_end", 32767),
    ("slice_duration", _NAN),
    ("toffset", _INF),
    ("xyzt_units", 255),
    ("cal_max", _NAN),
    ("cal_min", -_INF),
    ("intent_p1", _NAN),
    ("descrip", b"\xff" * 80),
    ("aux_file", b"../../etc/passwd"),
    ("intent_name", b"\xfe\xff" * 8),
    ("data_type", b"\xff" * 10),
    ("db_name", b"\n\r\x1b[31m"),
    ("extents", -1),
    ("session_error", -1),
    ("regular", 255),
    ("glmax", -1),
    ("glmin", -1),
    ("pixdim[0]", 0),
    ("pixdim[0]", _NAN),
    ("pixdim[4]", _NAN),
    ("pixdim[7]", -_INF),
    ("dim[4]", 0),
    ("dim[5]", -1),
    ("dim[7]", 32767),
]


def _extension(size: int, code: int = 6, content: bytes = b"x" * 8) -> bytes:
    return (struct.pack("<ii", size, code) + content).ljust(48, b"\0")


_EXTENSIONS = {
    f"extension of {size} bytes, code {code}": _extension(size, code)
    for size, code in (
        *((size, 6) for size in (-(2**31), -16, -1, 0, 1, 7, 8, 15, 17, 48, 4096, 2**30, 2**31 - 1)),
        *((16, code) for code in (-1, 0, 2, 4, 18, 32, 999, 2**31 - 1)),
    )
}
_EXTENSIONS["extension of DICOM headers"] = _extension(48, 2, b"\x10\0\x10\0PN\4\0Doe^")
_EXTENSIONS["extension of CIFTI"] = _extension(48, 32, b"<?xml version='1.0'?><!DOCTYPE a [")


CASES = [
    *(
        Broken(f"{name}, {ending}", edited("flair", ending, fields={"magic": magic}), refused="not a NIfTI file")
        for name, magic in _MAGIC
        for ending in (".nii", ".nii.gz")
    ),
    Broken("the magic of a pair", edited("t1", ".nii", fields={"magic": b"ni1"}), refused="of a pair of files"),
    Broken("the magic of a pair, packed", edited("t2", ".nii.gz", fields={"magic": b"ni1"}), refused="of a pair of"),
    *_one_by_one("absurd", _FIELDS_REFUSED, are_refused=True),
    *_one_by_one("odd", _FIELDS_WARNED, are_refused=False),
    *(
        Broken(f"no matter {field} = {value}", edited(in_turn(n), (".nii", ".nii.gz")[n % 2], fields={field: value}))
        for n, (field, value) in enumerate(_FIELDS_OF_NO_MATTER)
    ),
    *(
        Broken(name, edited(in_turn(n), (".nii", ".nii.gz")[n % 2], extension=extension))
        for n, (name, extension) in enumerate(_EXTENSIONS.items())
    ),
    *(
        Broken(f"header of {byte:#04x}", with_file("t1", lambda b=byte: bytes([b]) * 900, ".nii"), refused="not a")
        for byte in (0, 1, 0x20, 0x7F, 0x80, 0xFF)
    ),
    *(
        Broken(f"{name}-endian NIfTI-{version}, {ending}", all_edited(ending, endianness=order, version=version))
        for name, order in (("little", "<"), ("big", ">"))
        for version in (1, 2)
        for ending in (".nii", ".nii.gz")
    ),
    *(
        Broken(
            f"big-endian {kind} of NIfTI-{version} among little",
            edited(kind, ".nii.gz", endianness=">", version=version),
        )
        for kind in ("t1", "t1ce", "t2", "flair", "seg")
        for version in (1, 2)
    ),
    *(
        Broken(
            f"byte order of {name} alone is another",
            with_file("t2", lambda p=place, n=length: packed(_swapped(nifti("t2"), p, n))),
            refused="(damaged|cut short|-D|no voxels|promises|not a|its shape is)",
        )
        for name, place, length in (("dim[1]", 42, 2), ("datatype", 70, 2), ("bitpix", 72, 2), ("vox_offset", 108, 4))
    ),
    *(
        Broken(
            f"NIfTI-2 with its line ends changed to {ends!r}",
            edited("flair", ".nii", version=2, fields={"eol_check": ends}),
            refused=_DAMAGED,
        )
        for ends in ((10, 26, 10, 0), (13, 13, 10, 26), (1, 2, 3, 4))
    ),
]


def _swapped(content: bytes, place: int, length: int) -> bytes:
    return content[:place] + content[place : place + length][::-1] + content[place + length :]
