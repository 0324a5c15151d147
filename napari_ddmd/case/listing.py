"""What a case's folder holds, before anything is chosen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from napari_ddmd.case.naming import MODALITIES, guess_modality, is_foreign, name_without_modality

RESULT: Final = re.compile(r"_(mask|probability|uncertainty|inter|intra|samples)\.nii(\.gz)?$")
"""How the name of a file that is saved of a case goes on after the case's own."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes
    ----------
    found
        By the modality that their names tell, or ``"seg"``.
    unnamed
        NIfTI files whose names tell none.
    foreign
        One file of another format for each modality, or None, that its name tells.
    """

    found: dict[str, list[Path]] = field(default_factory=dict)
    unnamed: list[Path] = field(default_factory=list)
    foreign: dict[str | None, Path] = field(default_factory=dict)

    def add(self, files: Iterable[Path], modality: str | None = None, *, case: str = "") -> None:
        """Add images, of a modality if their names tell none; what was saved of the case is no image."""
        for file in files:
            # What was saved of a case bears its name, which may hold a word that tells a modality.
            is_result = (
                bool(case) and file.name.startswith(f"{case}_") and RESULT.fullmatch(file.name[len(case) :].lower())
            )
            kind = None if is_result else guess_modality(file.name) or modality
            if is_foreign(file.name):
                self.foreign.setdefault(kind, file)
            elif kind is None:
                self.unnamed.append(file)
            else:
                self.found.setdefault(kind, []).append(file)

    @property
    def has_images(self) -> bool:
        """Whether any file is an image of the four, in whatever format."""
        return any(modality in self.found or modality in self.foreign for modality in MODALITIES)

    @property
    def has_duplicates(self) -> bool:
        """Whether there are several files for one modality."""
        return any(len(files) > 1 for files in self.found.values())

    @property
    def has_several_cases(self) -> bool:
        """Whether images of more than one modality are named after one case, and others after another."""
        images = {modality: files for modality, files in self.found.items() if modality in MODALITIES}
        count = Counter(name for files in images.values() for name in {name_without_modality(f.name) for f in files})
        return sum(number > 1 for number in count.values()) > 1

    def sharing_name_with(self, file: Path) -> Listing:
        """Those whose names say the same as a file's, beside the modality."""
        shared = name_without_modality(file.name)
        return Listing(
            {
                modality: [other for other in files if name_without_modality(other.name) == shared]
                for modality, files in self.found.items()
            },
            self.unnamed,
            self.foreign,
        )
