"""Anatomy of one real brain: a tissue label map with FreeSurfer's codes, as a template on the ICBM152 grid.

The head is turned until the centres of its structures lie towards each other as they do in MNI space, then scaled and
moved along each axis until the 2nd and the 98th percentile of the positions of brain voxels fall on those of the
ICBM152 brain; a long or short brain stem hardly moves these. MNI positions then mean about the same, which is enough
for where tumours may lie and where the large vessels run.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from napari_ddmd.case.errors import CaseError
from napari_ddmd.case.nifti import open_nifti
from napari_ddmd.synthetic.anatomy import Template, largest_part, load_template
from napari_ddmd.synthetic.grid import Field, Mask

_WHITE = {
    0.88: (2, 41, 25, 57, 77, 78, 79, 85, *range(251, 256), *range(3000, 5003), *range(13100, 14176)),
    0.82: (7, 46),
    0.74: (16,),
}
_GREY = {
    0.60: (3, 8, 42, 47, 19, 20, 55, 56, *range(1000, 3000), *range(11100, 12176)),
    0.65: (17, 18, 53, 54, 26, 58),
    0.71: (11, 50),
    0.74: (12, 51),
    0.76: (9, 10, 48, 49),
    0.80: (13, 28, 52, 60),
}
_LATERAL = (4, 5, 43, 44, 31, 63, 136, 137, 163, 164)
"""Lateral ventricles and what lies in them: choroid plexus has codes of its own, in SynthSeg's maps the last four."""
_ENCLOSED = (14, 15, 72)
"""The other ventricles. The fluid around the brain (24) is what lies between the tissues, whether labelled or not."""
_LEVELS = {level: codes for tissue in (_WHITE, _GREY) for level, codes in tissue.items()}
"""Level in the ICBM152 average's T1 of all codes that are not fluid."""
_FLUID = 0.27
_CODES = 14176
"""One more than the last code that is known."""
_CLOSING, _RIM = 9.0, 1.5
"""Half the width of the widest gap that belongs to the brain, and the fluid that it keeps about its surface, mm."""
_SOFTNESS = 0.4
"""Standard deviation of the smoothing that stands for partial volume, in voxels of the map."""
_SHARPENING = 0.5
"""Makes up for that and for the interpolations, which take thin white matter and sulci away."""
_TAILS = (0.02, 0.98)
_CENTRES = {
    (10, 49): (11, -18, 7),  # thalamus
    (11, 50): (13, 10, 10),  # caudate nucleus
    (12, 51): (25, 1, 0),  # putamen
    (17, 53): (25, -23, -14),  # hippocampus
    (18, 54): (23, -5, -18),  # amygdala
    (8, 47): (24, -64, -35),  # cortex of the cerebellum
    (2, 41): (27, -20, 18),  # cerebral white matter
    (16, 16): (0, -28, -34),  # brain stem
}
"""Where structures lie: codes on the left and on the right, centre on the right in MNI mm."""


@lru_cache(maxsize=1)
def load_label_map(path: Path) -> Template:
    """Read a label map of a healthy brain as a template with crisp tissues.

    Parameters
    ----------
    path : Path
        A NIfTI file that holds FreeSurfer's codes, in any orientation; codes of what is no brain may be among them.

    Raises
    ------
    CaseError
        If the file cannot be read, is not 3-D, or has no white matter.
    FileNotFoundError
        If the ICBM152 average is missing.
    """
    codes, spacing = _read(path)
    lateral = np.isin(codes, _LATERAL)
    levels = _level_of_code()[codes]
    solid = largest_part((levels > 0) | lateral | np.isin(codes, _ENCLOSED))
    # Beyond the closing's reach nothing of the brain is left, and distances cost time.
    box = ndimage.find_objects(solid.astype(np.uint8))[0]
    margins = np.ceil((_CLOSING + _RIM) / spacing).astype(int) + 2
    pad = [(margin, margin) for margin in margins]
    codes, levels, lateral, solid = (np.pad(volume[box], pad) for volume in (codes, levels, lateral, solid))
    reached = ndimage.distance_transform_edt(~solid, sampling=spacing) <= _CLOSING + _RIM
    brain: Mask = ndimage.distance_transform_edt(reached, sampling=spacing) > _CLOSING
    icbm = load_template()
    matrix, offset = _way_back(codes, brain, spacing, icbm)

    def placed(values: Field | Mask, softness: float = _SOFTNESS) -> Field:
        soft = ndimage.gaussian_filter(values.astype(np.float32), softness)
        out: Field = ndimage.affine_transform(soft, matrix, offset, icbm.t1.shape, order=1, mode="nearest")
        return out

    inside = placed(brain, 0) > 0.5
    t1 = placed(np.where(levels > 0, levels, np.float32(_FLUID))) * inside
    grey, white = (placed(np.isin(codes, sum(tissue.values(), ()))) for tissue in (_GREY, _WHITE))
    return Template(t1, grey, white, placed(lateral, 0.7), icbm.affine, _SHARPENING)


def _read(path: Path) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Codes along axes to the right, to anterior and to superior, 0 for those unknown; and the voxels' edges, mm."""
    file = open_nifti(path)
    image = nib.as_closest_canonical(nib.nifti1.Nifti1Image(file.read_image(), file.affine))
    values = np.rint(np.asarray(image.dataobj))
    codes = np.where((values > 0) & (values < _CODES), values, 0).astype(np.int16)
    if not np.isin(codes, sum(_WHITE.values(), ())).any():
        raise CaseError(f"{path}: no white matter (2 and 41); give a map of tissue labels with FreeSurfer's codes")
    return codes, nib.affines.voxel_sizes(image.affine)


def _level_of_code() -> Field:
    levels = np.zeros(_CODES, np.float32)
    for level, codes in _LEVELS.items():
        levels[list(codes)] = level
    return levels


def _way_back(
    codes: NDArray[np.int16], brain: Mask, spacing: NDArray[np.float64], icbm: Template
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and offset from the ICBM152 average's voxels to those of the map."""
    turned = _rotation(codes, spacing)
    target = _extents(np.argwhere(icbm.t1 > 0))
    source = _extents(np.argwhere(brain) * spacing @ turned.T)
    scale = (source[1] - source[0]) / (target[1] - target[0])
    back = turned.T / spacing[:, None]
    return back * scale, back @ (source[0] - scale * target[0])


def _rotation(codes: NDArray[np.int16], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the map's axes to those of MNI space."""
    own, mni = [], []
    for both, centre in _CENTRES.items():
        for side, code in zip((-1, 1), both, strict=True):
            there = np.argwhere(codes == code)
            if there.size:
                own.append(there.mean(axis=0) * spacing)
                mni.append(np.multiply(centre, (side, 1, 1)))
    if len(own) < 3:
        return np.eye(3)
    turned, _ = Rotation.align_vectors(mni - np.mean(mni, axis=0), own - np.mean(own, axis=0))
    return np.asarray(turned.as_matrix())


def _extents(positions: NDArray[Any]) -> NDArray[np.float64]:
    """Where the given shares of the positions ``(n, 3)`` lie below, along each axis; shape (2, 3)."""
    return np.asarray(np.quantile(positions, _TAILS, axis=0))
