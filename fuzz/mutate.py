"""Changes that know the form of an input, which changes of bytes would mostly only break."""

from __future__ import annotations

import json
import struct
from copy import deepcopy
from random import Random
from typing import Any

import nibabel

_LAYOUT: Any = nibabel.Nifti1Header.template_dtype.fields
_FIELDS: list[tuple[int, int]] = [(offset, dtype.itemsize) for dtype, offset in _LAYOUT.values()]
_NUMBERS: tuple[Any, ...] = (0, 1, -1, 2, 7, 255, 32767, -32768, 2**31 - 1, -(2**31), 2**53, 2**63, 2**64, 10**400)
_VALUES: tuple[Any, ...] = (
    *_NUMBERS,
    *(None, True, False, 0.5, -0.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf")),
    *("", "x", "é", "\x00", "\n", "../x", "/", "x" * 500, "NaN", "0" * 64, "\ud800"),
    *([], {}, [[]], [0] * 100, {"x": 0}),
)

_LONG_TYPES = (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UC", b"UN", b"UR", b"UT")
_DICOM_VALUES = (
    *(
        b"",
        b"0",
        b"1",
        b"-1",
        b"2",
        b"1e9",
        b"1e300",
        b"-1e300",
        b"1e-300",
        b"NaN",
        b"inf",
        b"x",
        b"99999999999",
        b"0.001",
    ),
    *(b"1\\2", b"0\\0", b"0\\0\\0", b"1\\1\\1", b"NaN\\0\\0", b"1e9\\1e9", b"0\\0\\1e9", b"1\\1e-9", b"4000\\4000"),
    *(
        b"1\\0\\0\\1\\0\\0",
        b"0\\0\\0\\0\\0\\0",
        b"9\\0\\0\\0\\9\\0",
        b"1\\0\\0\\0.7\\0.7\\0",
        b"NaN\\0\\0\\0\\1\\0",
        b"0.8\\0.6\\0\\-0.6\\0.8\\0",
    ),
    *(
        b"\x00\x00",
        b"\x01\x00",
        b"\x04\x00",
        b"\x08\x00",
        b"\xff\xff",
        b"\x00\x80",
        b"\x00\x10",
        b"a\nb\rc",
        b"\xff\xfe",
        b"\x1b$B",
    ),
    *(
        b"1.2.840.10008.1.2",
        b"1.2.840.10008.1.2.2",
        b"1.2.840.10008.1.2.5",
        b"1.2.840.10008.1.2.4.50",
        b"1.2.840.10008.1.2.4.90",
    ),
    *(
        b"1.2.840.10008.1.3.10",
        b"1.2.840.10008.5.1.4.1.1.4.1",
        b"MONOCHROME1",
        b"RGB",
        b"PALETTE COLOR",
        b"CT",
        b"ISO_IR 192",
    ),
)


def changed_header(content: bytes, random: Random) -> bytes:
    """Another value in one or a few fields of a NIfTI header."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 3)):
        offset, length = random.choice(_FIELDS)
        place = offset + random.randrange(length)
        value = random.choice((_packed_float, _packed_integer, _noise))(random)
        if place + len(value) <= len(changed):
            changed[place : place + len(value)] = value
    return bytes(changed)


def changed_json(text: bytes, random: Random) -> bytes:
    """Another value, one less or one twice, somewhere in a document; a text that is none stays as it is."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(random.randint(1, 2)):
        document = _changed(document, random)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def changed_elements(content: bytes, random: Random) -> bytes:
    """Another value, length or type in one or two elements of a DICOM file, in sequences too; one less, one twice."""
    for _ in range(random.randint(1, 2)):
        elements = _elements(content)
        if not elements:
            return content
        start, value, end = random.choice(elements)
        head, body, what = content[start:value], content[value:end], random.random()
        if what < 0.6:
            text = random.choice(_DICOM_VALUES)
            body = text + b" " * (len(text) % 2)
            head = head[:-2] + len(body).to_bytes(2, "little") if value - start == 8 else head
        elif what < 0.7:
            head, body = b"", b""
        elif what < 0.8:
            body += head + body
        elif what < 0.9:
            head = head[:4] + random.choice((b"DS", b"IS", b"US", b"SQ", b"UN", b"OW", b"PN", b"??")) + head[6:]
        else:
            body = random.randbytes(len(body))
        content = content[:start] + head + body + content[end:]
    return content


def _elements(content: bytes) -> list[tuple[int, int, int]]:
    """Where each element of a file in explicit little endian begins, its value begins, and it ends."""
    found, place = [], 132
    while place + 8 <= len(content):
        if content[place : place + 2] == b"\xfe\xff":  # an item of a sequence, or the end of one
            place += 8
            continue
        is_long = content[place + 4 : place + 6] in _LONG_TYPES
        value = place + (12 if is_long else 8)
        length = int.from_bytes(content[value - (4 if is_long else 2) : value], "little")
        if content[place + 4 : place + 6] == b"SQ":
            length = 0  # what is in it comes next
        found.append((place, value, min(value + length, len(content))))
        place = value + length
    return found


def _changed(node: Any, random: Random) -> Any:
    """A document in which one node, each as likely to be reached by a walk down, is another."""
    if not isinstance(node, dict | list) or not node or random.random() < 0.1:
        return _value(random)
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = random.choice(keys)
    what = random.random()
    if what < 0.1:
        del node[key]
    elif what < 0.15 and isinstance(node, dict):
        node[random.choice(("x", "", "__metadata__", "format"))] = _value(random)
    elif what < 0.2 and isinstance(node, list):
        node.append(deepcopy(node[key]))
    else:
        node[key] = _changed(node[key], random)
    return node


def _value(random: Random) -> Any:
    """One of the values, as a copy: the next change may go into it."""
    return deepcopy(random.choice(_VALUES))


def _packed_float(random: Random) -> bytes:
    value = random.choice((0.0, -1.0, 0.5, 1e-30, 3e38, float("nan"), float("inf"), float("-inf"), 352.0, 1e9))
    return struct.pack(random.choice("<>") + "f", value)


def _packed_integer(random: Random) -> bytes:
    code, most = random.choice((("h", 2**15 - 1), ("i", 2**31 - 1), ("q", 2**63 - 1)))
    value = random.choice((0, 1, -1, 3, 4, 7, 348, 540, most, -most - 1, random.randint(-most, most)))
    small = max(-most - 1, min(most, value))
    return struct.pack(random.choice("<>") + code, small)


def _noise(random: Random) -> bytes:
    return random.randbytes(random.choice((1, 2, 4, 8)))
