"""Whether a file is as long as its elements say: GDCM takes memory for whatever length stands there, up to 4 GB."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import IO, Final

# Bytes that a file which is compressed as a whole inflates to, at most: more is no image of a head.
_MOST_INFLATED: Final = 2**28

_PREAMBLE: Final = 132
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM_GROUP, _SEQUENCE_END, _PIXELS = 0xFFFE, (0xFFFE, 0xE0DD), (0x7FE0, 0x0010)
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


def lengths_fit(file: Path) -> bool:
    """Tell whether every element of a DICOM file, in sequences too, ends within the file; no value is read.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        syntax = _read_syntax(stream)
        if syntax == _DEFLATED:
            content = _inflated(stream)
            return content is not None and _walk(io.BytesIO(content), len(content), is_implicit=False, order="<")
        # The file's own elements may lie about their lengths, too.
        is_inside = stream.tell() <= size
        return is_inside and _walk(stream, size, is_implicit=syntax == _IMPLICIT, order=">" if syntax == _BIG else "<")


def is_bomb(file: Path) -> bool:
    """Tell whether a DICOM file is compressed as a whole, and damaged or larger inside than any study's file.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with file.open("rb") as stream:
        return _read_syntax(stream) == _DEFLATED and _inflated(stream) is None


def _inflated(stream: IO[bytes]) -> bytes | None:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(stream.read(_MOST_INFLATED), _MOST_INFLATED)
    except zlib.error:
        return None
    return content if unpacker.eof else None


def _read_syntax(stream: IO[bytes]) -> str:
    """Read the file's own elements, of group 2, and leave the stream behind them."""
    syntax = _IMPLICIT
    stream.seek(_PREAMBLE)
    while len(head := stream.read(8)) == 8 and head[:2] == b"\2\0":
        is_long = head[4:6] in _LONG
        length = int.from_bytes(stream.read(4) if is_long else head[6:8], "little")
        if head[2:4] == b"\x10\0":
            syntax = stream.read(min(length, 64)).decode("latin1").rstrip("\0 ")
        else:
            stream.seek(length, 1)
    stream.seek(-len(head), 1)
    return syntax


def _walk(stream: IO[bytes], size: int, *, is_implicit: bool, order: str) -> bool:
    """Go from element to element; into sequences and their items, and over all else."""
    from pydicom.datadict import dictionary_VR

    tag_of, long_of = struct.Struct(f"{order}HH"), struct.Struct(f"{order}L")
    unknown = 0  # sequences that are open in one of unknown type: its elements tell no types
    place = stream.tell()
    while place < size:
        head = stream.read(8)
        if len(head) < 8:
            return True  # a few bytes at the end tell no length
        place += 8
        tag, kind = tag_of.unpack_from(head), head[4:6]
        if tag[0] == _ITEM_GROUP:
            length = long_of.unpack_from(head, 4)[0]
            unknown -= tag == _SEQUENCE_END and unknown > 0
            if length != _UNDEFINED and place + length > size:
                return False
            continue
        is_plain = is_implicit or unknown or kind not in _LONG | _SHORT  # GDCM, too, takes what is no type for a length
        length = long_of.unpack_from(head, 4)[0]
        if unknown and kind in _LONG | _SHORT and place + length > size:
            is_plain = False  # some programs write types in there, and GDCM tries both
        if is_plain:
            try:
                kind = dictionary_VR(tag).encode()
            except KeyError:
                kind = b"UN"
        elif kind in _LONG:
            raw = stream.read(4)
            if len(raw) < 4:
                return False
            length, place = long_of.unpack(raw)[0], place + 4
        else:
            length = struct.unpack_from(f"{order}H", head, 6)[0]
        if length == _UNDEFINED:
            if tag == _PIXELS:
                return _fragments_fit(stream, place, size, long_of)
            unknown += bool(unknown) or kind == b"UN"
            continue
        if place + length > size:
            return False
        if kind != b"SQ":
            place += length
            stream.seek(place)
    return True


def _fragments_fit(stream: IO[bytes], place: int, size: int, long_of: struct.Struct) -> bool:
    """Go over the parts of a compressed image to their end; what comes behind it is no image."""
    while len(head := stream.read(8)) == 8:
        length = long_of.unpack_from(head, 4)[0]
        place += 8
        if head[2:4] in (b"\xdd\xe0", b"\xe0\xdd"):
            return True
        if place + length > size:
            return False
        place += length
        stream.seek(place)
    return True  # some programs leave the end of the sequence out
