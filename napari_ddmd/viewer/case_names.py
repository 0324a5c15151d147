"""What a case is called in what is saved of it, where its own name tells who the patient is."""

from __future__ import annotations

import os
from typing import Final
from weakref import WeakKeyDictionary

from napari_ddmd.case import Case, guess_modality

_NOT_IN_NAMES: Final = '/\\:*?"<>|'
"""Signs that one system or another does not allow in a file's name."""
_MOST_BYTES: Final = 180
"""Leaves room, of the 255 that a file's name may have, for what is put behind and, while it is written, before it."""

_names: WeakKeyDictionary[Case, str] = WeakKeyDictionary()


def name_for_saving(case: Case) -> str:
    """Return the name that was given to a case for what is saved of it; its own where none was."""
    return _names.get(case, case.name)


def call(case: Case, name: str) -> None:
    """Give a case a name for what is saved of it, for as long as it is open."""
    _names[case] = name


def what_is_wrong(name: str) -> str:
    """Say in one line why files cannot bear a name; empty where they can."""
    if not name.strip(" ."):
        return "Give the case a name."
    if name.startswith("."):
        return "A name that begins with a dot would hide the files."
    if not name.isprintable() or any(sign in _NOT_IN_NAMES for sign in name):
        return f"Give the case a name without {' '.join(_NOT_IN_NAMES)}"
    if len(os.fsencode(name)) > _MOST_BYTES:
        return "This name is too long."
    if guess_modality(f"{name}_mask.nii.gz") is not None:
        return "With this name, the files would pass for images of the case: leave out words such as T1, FLAIR or seg."
    return ""
