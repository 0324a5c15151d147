"""What a guard says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can be wrong with images that are read without an error."""

    SPACING = "spacing"
    EMPTY = "empty"
    FLAT = "flat"
    NORMALISED = "normalised"
    BACKGROUND = "background"
    SKULL = "skull"
    ALIGNMENT = "alignment"
    SIZE = "size"
    CROPPED = "cropped"
    ORIENTATION = "orientation"
    DUPLICATE = "duplicate"
    CONTRAST = "contrast"
    UNEVEN = "uneven"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a case.

    Attributes
    ----------
    kind
        What it is about.
    text
        One line: what is wrong, and what to do. Names modalities, never files or patients.
    """

    kind: Kind
    text: str

    def __str__(self) -> str:
        return self.text
