"""Voxels that are no intensities, and masks that hold no labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.case.broken.broken import SHAPE, Broken, all_edited, edited, in_turn, voxels

_PLACES = {"first": (0, 0, 0), "last": (-1, -1, -1), "one": (3, 3, 2), "all": (...,)}
_NOT_FINITE = "holds NaN or infinite values"


def _with(kind: str, value: float, place: tuple[Any, ...], dtype: str) -> NDArray[Any]:
    data = voxels(kind).astype(dtype)
    data[place] = value
    return data


def _not_finite() -> list[Broken]:
    return [
        Broken(
            f"{place} voxel {value} in {dtype}, {ending}",
            edited(kind, ending, data=_with(kind, value, where, dtype)),
            refused=rf"_{kind}\{ending}: {_NOT_FINITE}",
        )
        for number, (place, where) in enumerate(_PLACES.items())
        for value in (np.nan, np.inf, -np.inf)
        for dtype, ending in (("f4", ".nii.gz"), ("f8", ".nii"))
        for kind in [in_turn(number)]
    ]


_LABELS = [
    *[(value, "f4", "values that are no labels") for value in (np.nan, np.inf, -np.inf, 0.5, 1.99, 1e-2)],
    *[(value, "f4", "label") for value in (5, -1, 1e9)],
    *[(value, "i2", "label") for value in (5, -1, 7, 255, 32767, -32768)],
    (2**62, "i8", "label"),
    (2**64 - 1, "u8", "label"),
    (1e300, "f8", "label"),
]

CASES = [
    *_not_finite(),
    *(
        Broken(
            f"all voxels of {kind} are zero, {ending}",
            edited(kind, ending, data=np.zeros(SHAPE, dtype)),
            refused=rf"_{kind}\{ending}: all voxels are zero",
        )
        for kind in ("t1", "t1ce", "t2", "flair")
        for ending, dtype in ((".nii", "f4"), (".nii.gz", "i2"))
    ),
    Broken("a head of zeros", all_edited(data=np.zeros(SHAPE, np.int16)), refused="all voxels are zero"),
    *(
        Broken(
            f"{kind} holds {value}",
            edited(kind, ".nii.gz", data=_with(kind, value, (1, 2, 3), dtype)),
            refused=rf"_{kind}.nii.gz: holds (values as large as|{_NOT_FINITE[6:]})",
        )
        for kind, value, dtype in (
            ("t1", 3e38, "f4"),
            ("t1ce", -3e38, "f4"),
            ("t2", 1e31, "f4"),
            ("flair", 1e300, "f8"),
            ("t1", -1e300, "f8"),
            ("t2", 1e39, "f8"),
        )
    ),
    *(
        Broken(
            f"scale factor {slope} and {inter} makes values too large",
            edited(kind, ".nii", fields={"scl_slope": slope, "scl_inter": inter}),
            refused=rf"_{kind}.nii: holds (values as large as|{_NOT_FINITE[6:]})",
        )
        for kind, slope, inter in (("t1", 3e38, 0), ("t2", -3e38, 1), ("flair", 1, 3e38), ("t1ce", 1e36, -3e38))
    ),
    *(
        Broken(
            f"mask holds {value} in {dtype}",
            edited("seg", (".nii", ".nii.gz")[n % 2], data=_with("seg", value, (2, 2, 2), dtype)),
            refused=rf"_seg\.nii(\.gz)?: holds {says}",
        )
        for n, (value, dtype, says) in enumerate(_LABELS)
    ),
    Broken("mask is scaled away from labels", edited("seg", ".nii", fields={"scl_slope": 0.3}), refused="no labels"),
]
