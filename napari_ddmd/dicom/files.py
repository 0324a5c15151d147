"""Which files of a folder are DICOM; by their first bytes, without any library."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

from napari_ddmd.case.naming import MODALITIES, guess_modality, is_nifti

_MAGIC: Final = b"DICM"
_PREAMBLE: Final = 128
# A folder that is not opened on purpose (a home folder that was dropped) must not be searched for minutes.
_LOOKED_AT: Final = 200
# Files of each folder that are looked at before any other: a disc's viewer may have hundreds beside the images.
_A_FEW: Final = 5


def is_dicom(file: Path) -> bool:
    """Tell whether a file starts as a DICOM file does; False where it cannot be read."""
    try:
        if not file.is_file():  # a pipe would be waited for, for ever
            return False
        with file.open("rb") as stream:
            return stream.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
    except OSError:
        return False


def looks_like_dicom(file: Path) -> bool:
    """Tell whether a file's name claims that it is DICOM."""
    return file.suffix.lower() in (".dcm", ".ima", ".dicom")


def is_study(path: Path) -> bool:
    """Tell whether a path is a folder with DICOM files, at any depth, and without images of a case on its top.

    A brain mask, and results of ours, may lie beside the study. Only a few files of the nearest 200 folders, and
    the first 200 of all, are looked at, so that the answer comes at once.
    """
    if not path.is_dir() or any(_is_modality(name) for name in _top(path)):
        return False
    looked_at = chain(islice(_some_files(path), _A_FEW * _LOOKED_AT), islice(all_files(path), _LOOKED_AT))
    return any(is_dicom(file) for file in looked_at)


def _is_modality(name: str) -> bool:
    return is_nifti(name) and guess_modality(name) in MODALITIES


def _some_files(folder: Path) -> Iterator[Path]:
    """A few files of each of the nearest folders, those on the top first."""
    waiting = deque([folder])
    for _number in range(_LOOKED_AT):
        if not waiting:
            return
        # Of what is below one folder this takes its own entries alone.
        place, folders, names = next(os.walk(waiting.popleft()), ("", [], []))
        seen = (name for name in sorted(names) if not name.startswith("."))
        yield from (Path(place, name) for name in islice(seen, _A_FEW))
        waiting.extend(
            Path(place, name)
            for name in sorted(folders)
            if not name.startswith(".") and not Path(place, name).is_symlink()
        )


def all_files(folder: Path) -> Iterator[Path]:
    """All files under a folder by name, less hidden ones; folders that cannot be opened are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _top(folder: Path) -> list[str]:
    """Names of what lies right in a folder."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
