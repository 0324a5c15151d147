"""What to choose instead of a folder that is no case's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_NIFTI: Final = (".nii", ".nii.gz")
_DICOM_END: Final = b"DICM"
_DICOM_AT: Final = 128
_MOST_NAMES: Final = 3
_MOST_LOOKED_AT: Final = 200


def instead_of(folder: Path) -> str:
    """Say what to choose instead of a folder without an image: a case in it, a study's own command, or another one."""
    cases, looked_at = [], 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        if Path(place) != folder and any(name.lower().endswith(_NIFTI) for name in names):
            cases.append(Path(place).relative_to(folder).parts[0])
        for name in sorted(names):
            looked_at += 1
            if looked_at <= _MOST_LOOKED_AT and _is_dicom(Path(place, name)):
                return "a DICOM study opens in the window, and napari-ddmd import-dicom makes a case of it"
        if looked_at > _MOST_LOOKED_AT:
            break
    if not cases:
        return "choose the folder with its NIfTI files"
    different = list(dict.fromkeys(cases))
    shown = [*different[:_MOST_NAMES], *(["…"] if len(different) > _MOST_NAMES else [])]
    return f"choose one of the folders in it ({', '.join(shown)})"


def _is_dicom(file: Path) -> bool:
    try:
        if not file.is_file():  # a named pipe would be waited for
            return False
        with file.open("rb") as content:
            content.seek(_DICOM_AT)
            return content.read(len(_DICOM_END)) == _DICOM_END
    except OSError:
        return False
