"""Words that must not come out again, planted wherever files can hold words, and a search that looks everywhere."""

from __future__ import annotations

import base64
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import nibabel
from nibabel.nifti1 import Nifti1Extension

from napari_ddmd.case import MODALITIES

WORD = "Qcanary"
"""All that is planted begins with it."""
THEN = 520_000_000
"""When the planted files were changed last: June 1986."""
HEADER_TEXTS = {
    "data_type": f"{WORD}10",
    "db_name": f"{WORD}-DbName-1",
    "descrip": f"{WORD} descrip Jane Doe born 1970-01-02",
    "aux_file": f"{WORD}-aux",
    "intent_name": f"{WORD}-intent",
}
_NAMES = (*MODALITIES, "seg")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{24,}={0,2}")


def plant(case: Path) -> Path:
    """Plant words into the headers and file names of a case whose files are named after its folder."""
    for kind in _NAMES:
        path = case / f"{case.name}_{kind}.nii.gz"
        image = nibabel.load(path)
        for field, text in HEADER_TEXTS.items():
            image.header[field] = text.encode()
        # The remark on what is missing names the file.
        image.header["qform_code"] = image.header["sform_code"] = 0
        for code in ("comment", "dicom", "afni"):
            image.header.extensions.append(Nifti1Extension(code, f"{WORD} extension Jane Doe".encode()))
        fresh = case / f"{WORD}_file_{kind}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(image.dataobj, None, image.header), fresh)
        path.unlink()
    return case


def layers_of(content: bytes) -> Iterator[bytes]:
    """A file's content, and what is packed or encoded in it, to any depth."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from layers_of(gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                yield info.filename.encode() + info.comment + info.extra
                yield from layers_of(archive.read(info))
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        for start in (
            match.end() for match in re.finditer(rb"zTXt[^\0]*\0\0|iTXt[^\0]*\0\x01\0[^\0]*\0[^\0]*\0", content)
        ):
            yield zlib.decompressobj().decompress(content[start:])
    else:
        for match in _BASE64.finditer(content):
            letters = re.sub(rb"\s", b"", match.group()).rstrip(b"=")
            decoded = base64.b64decode(letters + b"=" * (-len(letters) % 4)) if len(letters) % 4 != 1 else b""
            yield from layers_of(decoded) if decoded[:2] in (b"\x1f\x8b", b"PK", b"\x89P") else (decoded,)


def tells(content: bytes, word: str = WORD) -> bool:
    """Whether a word stands in a file's content, in any case and encoding."""
    shapes = [word.lower().encode(), word.lower().encode("utf-16-le"), word.encode().hex().encode()]
    return any(shape in layer.lower() for layer in layers_of(content) for shape in shapes)


def told(root: Path, *words: str) -> list[str]:
    """Files below a folder that tell a planted word (or one of some), by their name or by what is in them."""
    wanted = words or (WORD,)
    return [
        str(path.relative_to(root))
        for path in sorted(root.rglob("*"))
        if any(
            word.lower() in str(path.relative_to(root)).lower() or (path.is_file() and tells(path.read_bytes(), word))
            for word in wanted
        )
    ]
