"""Whether the brain lies as the header says, told by its shape.

The body is put on a grid that knows neither place nor size, and compared with the ICBM152 average brain
(`napari_ddmd.synthetic.anatomy` cites it) in all 24 ways to turn it by right angles, each of them mirrored, too. The
average is symmetric: images whose left and right are exchanged look the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Final

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.case.grid import AxialGrid
from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Mask, Sample, Spacing

Shape = NDArray[np.float32]

_SIDE: Final = 32
# The cube root of the brain's volume spans this many voxels of the side.
_ROOT: Final = 14.0
_TEMPLATE_STEP: Final = 4
# Real brains fit upright by 0.93 to 0.98, otherwise by 0.92 at most, and upright better by 0.04 and more.
_LEAST_FIT: Final = 0.92
_BETTER: Final = 0.02
# Ends of the axes S, H and W: below 0 and above it.
_ENDS: Final = (("down", "up"), ("forward", "backward"), ("to the right", "to the left"))
_PARTS: Final = ("top", "front")


@dataclass(frozen=True)
class Turn:
    """One way to put a body upright: which of its axes become S, H and W, and which of them are reversed."""

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]

    def apply(self, shape: Shape) -> Shape:
        """Turn a shape."""
        return np.transpose(shape, self.axes)[tuple(slice(None, None, sign) for sign in self.signs)]

    def directions(self) -> tuple[str, str]:
        """Where the top and the front of a body point that this puts upright."""
        # The top lies at the upper end of S, the front at the lower end of H.
        top = _ENDS[self.axes[0]][self.signs[0] > 0]
        front = _ENDS[self.axes[1]][self.signs[1] < 0]
        return top, front


UPRIGHT: Final = Turn((0, 1, 2), (1, 1, 1))
# A mirror image of a symmetric average fits as well, so that W is never reversed.
_AXES: Final = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_TURNS: Final = tuple(Turn(axes, (s, h, 1)) for axes, s, h in product(_AXES, (1, -1), (1, -1)))


def find_turned(sample: Sample) -> list[Finding]:
    """Tell of a brain that lies otherwise than the header says."""
    if not _average_file().is_file():
        return []
    fits = turn_fits(sample)
    best = max(fits, key=lambda turn: fits[turn])
    if best == UPRIGHT or fits[best] < _LEAST_FIT or fits[best] - fits[UPRIGHT] < _BETTER:
        return []
    wrong = [
        f"its {part} points {found}"
        for part, found, right in zip(_PARTS, best.directions(), UPRIGHT.directions(), strict=True)
        if found != right
    ]
    return [
        Finding(
            Kind.ORIENTATION,
            f"the brain does not lie as the header says: {' and '.join(wrong)}; correct the orientation in the header, "
            "or convert the images again",
        )
    ]


def turn_fits(sample: Sample) -> dict[Turn, float]:
    """How well the body fits the average brain in each turn, at most 1."""
    shape, average = _freed(sample.body, sample.spacing), _average()
    return {turn: float((turn.apply(shape) * average).sum()) for turn in _TURNS}


def _freed(body: Mask, spacing: Spacing) -> Shape:
    """Free a body of its place and size: `_SIDE` voxels a side, mean 0 and length 1."""
    sizes = np.array(spacing)
    step = (body.sum() * sizes.prod()) ** (1 / 3) / _ROOT
    centre = np.array(ndimage.center_of_mass(body))
    soft = ndimage.gaussian_filter(body.astype(np.float32), 0.5 * step / sizes)
    ratio = step / sizes
    offset = centre - ratio * (_SIDE - 1) / 2
    free: Shape = ndimage.affine_transform(soft, ratio, offset, (_SIDE,) * 3, order=1)
    free -= free.mean()
    length = float(np.linalg.norm(free))
    # A slab that is thinner than the steps falls between them, and fits in no turn.
    return free / length if length > 0 else free


def _average_file() -> Path:
    """The average brain that nilearn carries; a nilearn without it costs a hint, and no run."""
    spec = find_spec("nilearn")
    home = Path(spec.origin or "").parent if spec is not None else Path()
    return home / "datasets" / "data" / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


@lru_cache(maxsize=1)
def _average() -> Shape:
    image = nibabel.nifti1.Nifti1Image.from_filename(_average_file())
    grid = AxialGrid.from_affine(image.affine, image.shape)
    inside: Mask = grid.to_axial(np.asarray(image.dataobj) > 0)[(slice(None, None, _TEMPLATE_STEP),) * 3]
    return _freed(ndimage.binary_fill_holes(inside), (float(_TEMPLATE_STEP),) * 3)
