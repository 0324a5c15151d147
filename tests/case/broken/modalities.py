"""Modalities that are missing, there twice, or copies of each other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import combinations, permutations
from pathlib import Path

from napari_ddmd.case import MODALITIES
from tests.case.broken.broken import NAME, Broken, nifti, packed, with_file, write_healthy


def _without(*kinds: str) -> Callable[[Path], Path]:
    return lambda folder: write_healthy(folder, but=kinds)


def _twice(kind: str, second: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        case = write_healthy(folder)
        shutil.copy(case / f"{NAME}_{kind}.nii.gz", case / second)
        return case

    return write


def _as_another(kind: str, other: str, put: Callable[[Path, Path], object]) -> Callable[[Path], Path]:
    """The image of one modality under the name of another."""

    def write(folder: Path) -> Path:
        case = write_healthy(folder, but=(other,))
        put(case / f"{NAME}_{kind}.nii.gz", case / f"{NAME}_{other}.nii.gz")
        return case

    return write


_PUT: dict[str, Callable[[Path, Path], object]] = {
    "copied": shutil.copy,
    "hard-linked": os.link,
    "linked": lambda source, target: target.symlink_to(source.name),
}


def _names(kinds: tuple[str, ...]) -> str:
    return " and ".join(kinds)


CASES = [
    *(
        Broken(f"no {_names(kinds)}", _without(*kinds), refused=f"no image for {_names(kinds)}; add (it|them)")
        for number in (1, 2, 3)
        for kinds in combinations(MODALITIES, number)
    ),
    Broken("a mask alone", _without(*MODALITIES), refused="(no image|holds no image)"),
    Broken("no mask", _without("seg")),
    *(
        Broken(f"two files for {kind}: {second}", _twice(kind, second), refused=f"2 files for {kind} ")
        for kind, word in (("t1", "T1w"), ("t1ce", "t1gd"), ("t2", "t2w"), ("flair", "t2f"), ("seg", "truth"))
        for second in (f"{NAME}_{word}.nii.gz", f"copy_of_{word}.nii.gz", f"{NAME}_{kind}.NII")
    ),
    *(
        Broken(f"{kind} {how} as {other}", _as_another(kind, other, put), refused="holds the same image as")
        for how, put in _PUT.items()
        for kind, other in permutations(MODALITIES, 2)
    ),
    *(
        Broken(
            f"{kind} packed anew as {other}",
            with_file(other, lambda kind=kind: packed(nifti(kind, endianness=">")) + bytes(8)),
            refused="holds the same image as",
        )
        for kind, other in combinations(MODALITIES, 2)
    ),
    *(
        Broken(f"{kind} copied as the mask", _as_another(kind, "seg", shutil.copy), refused="holds label")
        for kind in MODALITIES
    ),
]
