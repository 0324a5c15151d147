"""Brain anatomy: from the ICBM152 average to tissues with the crisp folds of one person.

The template is the ICBM 2009a nonlinear symmetric average of 152 adult brains [1]_, [2]_. Its licence permits
use, copying and redistribution (copyright 1993-2009 Louis Collins, McConnell Brain Imaging Centre, McGill
University). It is read from the installed nilearn (BSD-3), which carries its T1 image and its maps of grey
and white matter.

References
----------
.. [1] V. Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies",
       NeuroImage 54 (2011).
.. [2] V. Fonov et al., "Unbiased nonlinear average age-appropriate brain templates from birth to adulthood",
       NeuroImage 47 (2009).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.synthetic.grid import Field, Grid, Mask
from napari_ddmd.synthetic.noise import random_field

_TEMPLATE_NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_VENTRICLES = ((-21.0, -38.0, 17.0), (21.0, -38.0, 17.0))
"""A point amid each lateral ventricle, MNI mm."""


@dataclass(frozen=True)
class Template:
    """The ICBM152 average, or one brain in its place: maps of shape (197, 233, 189) and values 0..1.

    Parameters
    ----------
    t1 : ndarray
        T1 image, zero outside the brain.
    grey, white : ndarray
        Tissue probabilities.
    ventricles : ndarray
        The two lateral ventricles, soft at their border.
    affine : ndarray, shape (4, 4)
        Voxel to MNI mm.
    sharpening : float
        How much of its local contrast is added to `t1` before tissues are read from it; an average needs that.
    """

    t1: Field
    grey: Field
    white: Field
    ventricles: Field
    affine: NDArray[np.float64]
    sharpening: float = 2.0

    def mirrored(self) -> Template:
        """Return it with left and right exchanged; the midline is the middle of the grid."""
        sides = {name: getattr(self, name)[::-1] for name in ("t1", "grey", "white", "ventricles")}
        return replace(self, **sides)

    def sample(self, values: Field, points: Field) -> Field:
        """Interpolate one of the maps linearly at MNI mm `points`, shape (3, I, J, K); zero outside."""
        origin = self.affine[:3, 3].astype(np.float32).reshape(3, 1, 1, 1)
        voxels = points - origin  # the template is RAS at 1 mm
        out = np.empty(points.shape[1:], np.float32)
        ndimage.map_coordinates(values, voxels, out, order=1)
        return out


@dataclass(frozen=True)
class Anatomy:
    """Tissues of one brain, all of shape (I, J, K).

    Parameters
    ----------
    brain : ndarray of bool
        What skull stripping leaves.
    white, grey, fluid : ndarray
        Fractions of the tissues, sum 1 everywhere; outside the brain all is fluid.
    ventricles : ndarray
        Share of the lateral ventricles, 0..1.
    detail : ndarray
        What the template's T1 shows beyond the three tissues, in units of its brightest value.
    """

    brain: Mask
    white: Field
    grey: Field
    fluid: Field
    ventricles: Field
    detail: Field


@lru_cache(maxsize=1)
def load_template() -> Template:
    """Read the ICBM152 maps out of the installed nilearn, without importing it.

    Raises
    ------
    FileNotFoundError
        If nilearn is not installed, or no longer carries the maps.
    """
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("nilearn is not installed; a synthetic case needs its ICBM152 template")
    folder = Path(spec.origin).parent / "datasets" / "data"
    paths = {kind: folder / _TEMPLATE_NAME.format(kind) for kind in ("t1", "gm", "wm")}
    for path in paths.values():
        if not path.is_file():
            raise FileNotFoundError(f"{path}: missing; reinstall nilearn, which carries the ICBM152 maps")
    images = {kind: nib.nifti1.load(path) for kind, path in paths.items()}
    t1, grey, white = (np.asarray(image.dataobj).astype(np.float32) / np.float32(255) for image in images.values())
    affine = images["t1"].affine
    return Template(t1, grey, white, _find_ventricles(t1, grey, white, affine), affine)


def _find_ventricles(t1: Field, grey: Field, white: Field, affine: NDArray[np.float64]) -> Field:
    fluid = np.where(t1 > 0, 1 - grey - white, 0)
    parts, _ = ndimage.label(fluid > 0.6)  # lower, and they join the third ventricle and the cisterns
    found = np.zeros(t1.shape, np.float32)
    for point in _VENTRICLES:
        seed = tuple(np.round(np.array(point) - affine[:3, 3]).astype(int))
        found[parts == parts[seed]] = 1
    return np.asarray(ndimage.gaussian_filter(found, 0.7))


def sample_anatomy(template: Template, points: Field, grid: Grid, rng: np.random.Generator) -> Anatomy:
    """Draw one person's tissues.

    An average of 152 brains is blurred where they differ most, in the cortex. Raising its local contrast
    brings the sulci and the white matter of the gyri back, and a random field adds what is one person's own.
    The tissues are read from the result on the final grid, so that no interpolation softens their borders.

    Parameters
    ----------
    template : Template
        The average, or one brain that keeps its own folds.
    points : ndarray, shape (3, I, J, K)
        MNI position (mm) that each voxel of `grid` shows.
    grid : Grid
        Where the person's brain lies.
    rng : numpy.random.Generator
        Source of chance.
    """
    average = template.sample(template.t1, points)
    support = (average > 0.02).astype(np.float32)
    blur = 2.0 / grid.spacing
    local = ndimage.gaussian_filter(average, blur) / np.maximum(ndimage.gaussian_filter(support, blur), 0.05)
    own = 0.035 * random_field(rng, grid, 1.6) + 0.02 * random_field(rng, grid, 5.0)
    folded = average + template.sharpening * (average - local) + own
    white = _ramp(folded, 0.65, 0.84)
    fluid = _ramp(folded, 0.50, 0.31)
    # Skull stripping follows the surface roughly: here it leaves fluid, there it cuts into the cortex.
    hull = ndimage.gaussian_filter(support, 1.5 / grid.spacing)
    wavering = 0.08 * random_field(rng, grid, 1.0) + 0.12 * random_field(rng, grid, 7.0)
    hull += np.clip(wavering, -0.18, 0.25)
    brain = ndimage.binary_fill_holes(largest_part((hull > 0.8) & (average > 0)))
    outside = ~brain
    fluid[outside], white[outside] = 1, 0
    grey = 1 - white - fluid
    detail = np.clip(folded, 0.31, 0.95) - (0.84 * white + 0.60 * grey + 0.31 * fluid)
    ventricles = template.sample(template.ventricles, points)
    return Anatomy(brain, white, grey, fluid, ventricles, detail)


def _ramp(values: Field, zero: float, one: float) -> Field:
    return np.asarray(np.clip((values - np.float32(zero)) / np.float32(one - zero), 0, 1))


def largest_part(mask: Mask) -> Mask:
    """Return the largest connected part of `mask`; nothing of an empty one."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())
