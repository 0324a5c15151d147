"""Dimensions that are negative, nothing, huge, too many, or others than the other files have."""

from __future__ import annotations

import numpy as np

from tests.case.broken.broken import Broken, all_edited, edited, in_turn, nifti, packed, voxels, with_file

_REFUSED = r"(cut short|no voxels|promises|-D|damaged|its shape is|mask's shape|holds far more|no head is)"
_LENGTHS = (-32768, -7, -1, 0, 1, 3, 60, 4096, 4097, 32767)


def _one_axis() -> list[Broken]:
    return [
        Broken(
            f"dim[{axis}] = {length}",
            edited(in_turn(axis + number), (".nii", ".nii.gz")[number % 2], fields={f"dim[{axis}]": length}),
            refused=_REFUSED,
        )
        for axis in (1, 2, 3)
        for number, length in enumerate(_LENGTHS)
    ]


def _count() -> list[Broken]:
    return [
        Broken(
            f"dim[0] = {count}",
            edited(in_turn(number), (".nii.gz", ".nii")[number % 2], fields={"dim[0]": count}),
            refused=None if 3 < count <= 7 else _REFUSED,  # further axes of one voxel are none
        )
        for number, count in enumerate((-32768, -5, -3, -1, 0, 1, 2, 4, 5, 6, 7, 8, 9, 255, 32767))
    ]


def _all_axes() -> list[Broken]:
    """Every file agrees, so that no comparison of one with another stops it."""
    return [
        Broken(f"all files are {shape} {ending}", all_edited(ending, fields={"dim": dims}), refused=_REFUSED)
        for shape in ((0, 0, 0), (-6, -7, 5), (-1, -1, -1), (10000, 10000, 10000), (32767, 32767, 32767), (7, 7, 7))
        for ending in (".nii", ".nii.gz")
        for dims in [(3, *shape, 1, 1, 1, 1)]
    ]


def _nifti_2() -> list[Broken]:
    return [
        Broken(
            f"NIfTI-2 of {shape}",
            edited("t1", ".nii.gz", version=2, fields={"dim": (3, *shape, 1, 1, 1, 1)}),
            refused=_REFUSED,
        )
        for shape in (
            (2**62, 2**62, 2**62),
            (10**4, 10**4, 10**4),
            (2**63 - 1, 1, 1),
            (-(2**63), 1, 1),
            (2**32, 2**32, 1),
            (2**40, 1, 1),
        )
    ]


def _stacks() -> list[Broken]:
    """Images of other than three dimensions, which are whole; one of them is a single volume all the same."""
    shapes = ((6, 7, 5, 1), (6, 7, 5, 2), (6, 7, 5, 1, 3), (6, 7, 5, 1, 1, 2), (2, 2, 2, 2, 2, 2, 2), (42, 5), (210,))
    return [
        Broken(
            f"whole image of {len(shape)} dimensions {shape}",
            edited(in_turn(number), ".nii.gz", data=voxels("t1", shape)),
            refused=None if shape == (6, 7, 5, 1) else f"the image is {len(shape)}-D; give one 3-D volume",
        )
        for number, shape in enumerate(shapes)
    ]


def _other_shapes() -> list[Broken]:
    shapes = ((6, 7, 4), (6, 7, 6), (5, 7, 5), (7, 6, 5), (5, 7, 6), (12, 14, 10), (1, 1, 1))
    return [
        Broken(
            f"{kind} is {shape}",
            edited(kind, ".nii.gz", data=voxels(kind, shape)),
            refused="(its shape is|the mask's shape is|mask lies on another grid)",
        )
        for kind in ("t1ce", "t2", "flair", "seg")
        for shape in shapes
    ]


CASES = [
    *_one_axis(),
    *_count(),
    *_all_axes(),
    *_nifti_2(),
    *_stacks(),
    *_other_shapes(),
    Broken(
        "a 4-D image that says it is 3-D",
        with_file("t2", lambda: packed(nifti("t2", voxels("t2", (6, 7, 5, 9)), fields={"dim[0]": 3}))),
        refused="holds far more data than its header promises",
    ),
    Broken(
        "a 4-D image that says it is 3-D, plain",
        with_file("t1", lambda: nifti("t1", voxels("t1", (6, 7, 5, 2)), fields={"dim[0]": 3}), ".nii"),
        refused="holds far more data than its header promises",
    ),
    Broken(
        "a surface of FreeSurfer",
        edited("t1", ".nii", data=np.ones((50, 1, 1), np.int16), fields={"dim[1]": -1, "glmin": 50}),
        refused="(its shape is|50×1×1)",
    ),
    Broken(
        "a surface of FreeSurfer without its size",
        edited("t1", ".nii", data=np.ones((50, 1, 1), np.int16), fields={"dim[1]": -1, "glmin": 0}),
        refused="damaged",
    ),
    Broken(
        "a surface of FreeSurfer that is too large",
        edited("t1", ".nii", data=np.ones((50, 1, 1), np.int16), fields={"dim[1]": -1, "glmin": 2**30}),
        refused="promises",
    ),
]
