"""Names of folders and files that programs stumble over; the case is healthy, or one of its files is cut."""

from __future__ import annotations

import os
from pathlib import Path

from tests.case.broken.broken import KINDS, Broken, nifti, packed, write_healthy

_NAMES: dict[str, str] = {
    "umlauts, composed": "Müller_Jürgen",
    "umlauts, decomposed": "Mu\u0308ller",
    "Chinese": "患者零零一",
    "Arabic, from right to left": "مريض_١",
    "marks that turn the line round": "a\u202egz.iin\u202c",
    "no width at all": "a\u200b\ufeffb",
    "emoji": "🧠👩\u200d⚕️",
    "blanks": "  a case  ",
    "a line end": "first\nsecond",
    "a carriage return": "first\rsecond",
    "a tab": "a\tb",
    "codes for a terminal": "\x1b[31mred\x1b[0m",
    "a bell": "a\x07b",
    "quotes": 'it\'s "quoted" `twice`',
    "a dollar and a shell": "$(touch pwned);|&",
    "wildcards": "*?[a-z]{b}",
    "a percent sign": "%s%n%(name)s{0}",
    "a backslash": "C:\\cases\\1",
    "a dash first": "--help",
    "a tilde first": "~root",
    "a name of Windows": "CON",
    "a name that ends like a file": "case.nii.gz",
    "a modality's name": "t1",
    "bytes that are no UTF-8": os.fsdecode(b"caf\xe9\xff"),
    "markup": "<script>alert(1)<",
    "a long name": "x" * 200,
    "a long name of two bytes each": "é" * 100,
    "a separator of lines": "a\u2028b\x85c",
    "digits alone": "0",
}


def _healthy(name: str) -> Broken:
    return Broken(f"whole: {name}", lambda folder: write_healthy(folder, _NAMES[name]))


def _cut(name: str) -> Broken:
    def write(folder: Path) -> Path:
        case = write_healthy(folder, _NAMES[name])
        file = case / f"{_NAMES[name]}_t2.nii.gz"
        file.write_bytes(file.read_bytes()[:-20])
        return case

    return Broken(f"cut: {name}", write, refused="the file is cut short")


def _at_the_limit(folder: Path) -> Path:
    """A folder's name as long as names can be; the results' would be longer."""
    case = folder / ("x" * 255)
    case.mkdir()
    for kind in KINDS:
        (case / f"{kind}.nii.gz").write_bytes(packed(nifti(kind)))
    return case


def _deep(folder: Path) -> Path:
    """A path longer than 4096 bytes, which cannot even be asked for."""
    return folder.joinpath(*["d" * 200] * 25)


CASES = [
    *map(_healthy, _NAMES),
    *map(_cut, _NAMES),
    Broken("a name at the limit", _at_the_limit),
    Broken("a path beyond the limit", _deep, refused="cannot be opened \\(File name too long\\)"),
    Broken("a name beyond the limit", lambda folder: folder / ("y" * 300), refused="cannot be opened"),
    Broken("a line end in a path that is not there", lambda folder: folder / "no\nwhere", refused="no such file"),
    Broken("a folder that is not there", lambda folder: folder / "nowhere", refused="no such file or folder"),
    Broken("a case of another name", lambda folder: write_healthy(folder, "a_t1_b_t2")),
]
