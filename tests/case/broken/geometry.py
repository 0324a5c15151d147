"""Affines and voxel sizes that are damaged, absent, absurd, or not those of the other files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.case.broken.broken import LPS, Broken, all_edited, edited, in_turn

_DAMAGED = "the geometry in the header is damaged"
_NO_CODES = {"sform_code": 0, "qform_code": 0}
_ROWS = ("srow_x", "srow_y", "srow_z")


def _moved(millimetres: float) -> NDArray[np.float64]:
    affine = LPS.copy()
    affine[0, 3] += millimetres
    return affine


def _sform() -> list[Broken]:
    """One element of the affine, in all files: no comparison of one with another stops it."""
    cases = []
    for row in _ROWS:
        for column in range(4):
            for value in (np.nan, np.inf, -np.inf, 1e30, -3e38):
                patterns = f"({_DAMAGED}|cannot be|oblique)"
                field = f"{row}[{column}]"
                cases.append(Broken(f"{field} = {value}", all_edited(fields={field: value}), refused=patterns))
    return cases


def _singular() -> list[Broken]:
    zero = np.zeros(4)
    rows: dict[str, dict[str, Any]] = {
        "all zero": dict.fromkeys(_ROWS, zero),
        "without x": {"srow_x": zero},
        "without z": {"srow_z": zero},
        "two rows alike": {"srow_y": LPS[0]},
        "all rows alike": {"srow_x": (1, 1, 1, 0), "srow_y": (1, 1, 1, 0), "srow_z": (1, 1, 1, 0)},
        "two axes alike": {"srow_x": (1, 1, 0, 0), "srow_y": zero, "srow_z": (0, 0, 1, 0)},
    }
    return [
        Broken(f"affine {name}", all_edited(fields=fields), refused=f"({_DAMAGED}|oblique)")
        for name, fields in rows.items()
    ]


def _oblique() -> list[Broken]:
    cases = []
    for degrees in (0.1, 1, 10, 30, 45, 60, 89):
        turn = np.radians(degrees)
        affine = LPS.copy()
        affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        cases.append(Broken(f"turned by {degrees} degrees", all_edited(affine=affine), refused="the image is oblique"))
    return cases


def _sizes() -> list[Broken]:
    sizes = ((1e-30, 1, 1), (1e-6, 1e-6, 1e-6), (0.001, 1, 1), (1, 1, 240), (1000, 1000, 1000), (1e20, 1e20, 1e20))
    sizes += ((0.05, 0.05, 0.05), (99, 99, 99), (1, 90, 1))
    return [
        Broken(
            f"voxels of {size} mm",
            all_edited(affine=LPS @ np.diag([*size, 1])),
            refused=f"(cannot be|no head is|{_DAMAGED})",
        )
        for size in sizes
    ]


def _pixdim() -> list[Broken]:
    """The affine of the sform holds, whatever the voxel size says; without it the size must be there."""
    cases = []
    for axis in (1, 2, 3):
        field = f"pixdim[{axis}]"
        for value in (0, -1, np.nan, -np.inf):
            kind = in_turn(axis)
            odd = edited(kind, ".nii", fields={field: value})
            cases.append(Broken(f"{field} = {value} beside an affine", odd, warned=rf"_{kind}\.nii: .*voxel size is"))
        for value, says in ((0, "tells no voxel size"), (np.nan, _DAMAGED), (np.inf, _DAMAGED), (1e30, "cannot be")):
            for code in (0, 1):
                write = all_edited(fields={field: value, "sform_code": 0, "qform_code": code})
                cases.append(Broken(f"{field} = {value} alone, qform {code}", write, refused=f"({says}|{_DAMAGED})"))
        negative = all_edited(fields={field: -1, "sform_code": 0})
        cases.append(Broken(f"{field} = -1 of a qform", negative, warned="voxel size is"))
    return cases


def _quaternions() -> list[Broken]:
    base = {"sform_code": 0}
    refused = [
        *({f"quatern_{letter}": value} for letter in "bcd" for value in (np.nan, np.inf, 2, -1e30)),
        {"quatern_b": 0.7, "quatern_c": 0.7, "quatern_d": 0.7},
        {"quatern_b": 0.1},
        *({f"qoffset_{letter}": value} for letter in "xyz" for value in (np.nan, -np.inf, 1e30)),
    ]
    wrong = f"(the header is damaged|{_DAMAGED}|oblique)"
    return [Broken(f"qform with {fields}", all_edited(fields=base | fields), refused=wrong) for fields in refused]


def _codes() -> list[Broken]:
    codes = ((0, 0), (-1, -1), (99, 0), (0, 99), (32767, 32767), (-32768, 0))
    return [
        Broken(
            f"sform code {sform}, qform code {qform}",
            all_edited(affine=None, fields={"sform_code": sform, "qform_code": qform}),
            warned="the header does not tell the orientation",
        )
        for sform, qform in codes
    ]


def _alone() -> list[Broken]:
    """One file that lies elsewhere than the others."""
    affines = {
        "moved": _moved(3),
        "mirrored": LPS @ np.diag([-1, 1, 1, 1]),
        "stretched": LPS @ np.diag([1, 1, 2, 1]),
        "turned on its head": LPS @ np.diag([1, 1, -1, 1]),
    }
    return [
        Broken(f"{kind} is {name}", edited(kind, ".nii.gz", affine=affine), refused="lies elsewhere in space than")
        for name, affine in affines.items()
        for kind in ("t1ce", "t2", "flair")
    ]


CASES = [
    *_sform(),
    *_singular(),
    *_oblique(),
    *_sizes(),
    *_pixdim(),
    *_quaternions(),
    *_codes(),
    *_alone(),
    Broken("the mask's affine is absent", edited("seg", ".nii", affine=None), warned="the mask's header tells no pos"),
    Broken("the mask was moved", edited("seg", ".nii", affine=_moved(5)), warned="origin"),
    Broken("the mask is mirrored", edited("seg", ".nii", affine=LPS @ np.diag([-1, 1, 1, 1])), refused="another grid"),
    Broken("qform alone", all_edited(fields={"sform_code": 0})),
    Broken("sform alone", all_edited(fields={"qform_code": 0})),
    Broken("qform is wild beside a sform", all_edited(fields={"quatern_b": np.nan, "qoffset_x": 1e30})),
]
