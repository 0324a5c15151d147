"""Number types: those that are no intensities, and all those that are."""

from __future__ import annotations

import numpy as np

from tests.case.broken.broken import Broken, edited, in_turn, voxels, with_files

_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
_RGBA = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
_NO_INTENSITIES = {"complex64": np.dtype("c8"), "complex128": np.dtype("c16"), "RGB": _RGB, "RGBA": _RGBA}
_PLAIN = ("u2", "i4", "u4", "i8", "u8", "f4", "f8")

CASES = [
    *(
        Broken(
            f"{kind} of {name}, {ending}",
            edited(kind, ending, data=np.ones((6, 7, 5), dtype)),
            refused="holds colours or complex numbers",
        )
        for name, dtype in _NO_INTENSITIES.items()
        for kind, ending in (("t1", ".nii"), ("flair", ".nii.gz"), ("seg", ".nii.gz"))
    ),
    *(
        Broken(f"{order}{dtype} among i2", edited(in_turn(n), ".nii.gz", data=_as(in_turn(n), dtype), endianness=order))
        for n, dtype in enumerate(_PLAIN)
        for order in ("<", ">")
        for _as in [lambda kind, dtype: voxels(kind).astype(dtype)]
    ),
    Broken("masks of signed bytes", edited("seg", ".nii", data=voxels("seg").astype("i1"))),
    Broken("masks of bytes", edited("seg", ".nii", data=voxels("seg").astype("u1"))),
    Broken("text for voxels", with_files(lambda kind: kind.encode() * 200, ".nii"), refused="not a"),
]
