"""A made-up head of ellipsoids as a label map with FreeSurfer's codes."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

EDGE = 3.0
SHAPE = (70, 80, 70)
CENTRE = np.array([0.0, -18.0, 4.0])
"""MNI position of the grid's middle, mm."""


def head(pitch: float = 0.0) -> NDArray[np.int16]:
    """Codes (I, J, K) in RAS order, 3 mm apart; the right lateral ventricle is the larger one.

    Parameters
    ----------
    pitch : float
        How far the head is tilted, degrees.
    """
    sine, cosine = np.sin(np.radians(pitch)), np.cos(np.radians(pitch))
    middle = (np.array(SHAPE) - 1) / 2
    x, y, z = (np.indices(SHAPE) - middle.reshape(3, 1, 1, 1)) * EDGE + CENTRE.reshape(3, 1, 1, 1)
    y, z = y * cosine + z * sine, z * cosine - y * sine
    codes = np.zeros(SHAPE, np.int16)

    def put(left: int, right: int, at: tuple[float, float, float], size: tuple[float, float, float]) -> None:
        inside = ((abs(x) - at[0]) / size[0]) ** 2 + ((y - at[1]) / size[1]) ** 2 + ((z - at[2]) / size[2]) ** 2 < 1
        codes[inside] = np.where(x < 0, left, right)[inside]

    put(515, 515, (0, -18, 6), (84, 98, 86))  # skull
    put(24, 24, (0, -18, 6), (78, 93, 80))  # fluid about the brain
    put(3, 42, (0, -18, 12), (70, 86, 66))
    put(2, 41, (0, -18, 14), (64, 80, 58))
    put(8, 47, (24, -64, -35), (24, 24, 20))
    put(16, 16, (0, -28, -36), (12, 12, 30))
    put(10, 49, (11, -18, 7), (9, 14, 9))
    put(12, 51, (25, 1, 0), (7, 14, 9))
    put(4, 4, (12, -12, 24), (8, 26, 8))
    codes[(codes == 4) & (x > 0)] = 2
    put(17, 53, (25, -23, -14), (6, 16, 6))
    right = ((x - 14) / 11) ** 2 + ((y + 12) / 30) ** 2 + ((z - 24) / 11) ** 2 < 1
    codes[right & (x > 3)] = 43
    return codes


def write_head(path: Path, codes: NDArray[np.int16], orientation: str = "LIA") -> Path:
    """Write a head's codes with their axes in another order."""
    affine = np.diag([EDGE, EDGE, EDGE, 1.0])
    image = nibabel.nifti1.Nifti1Image(codes, affine)
    wanted = nibabel.orientations.axcodes2ornt(tuple(orientation))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image.as_reoriented(nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], wanted)), path)
    return path
