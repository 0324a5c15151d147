"""A glioma that grows: a core with a necrotic centre and an enhancing rim, oedema along the white matter.

The front of a tumour that diffuses and proliferates obeys, to first order, an eikonal equation: it arrives
at a point after the time that the cheapest path from the seed takes, and is faster in white than in grey
matter [1]_. So arrival times are cheapest-path costs here, on a coarse grid, with a random speed that makes
the front lobed.

References
----------
.. [1] E. Konukoglu et al., "Image guided personalization of reaction-diffusion type tumor growth models using
       modified anisotropic eikonal equations", IEEE Transactions on Medical Imaging 29 (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import MCP_Geometric

from napari_ddmd.synthetic.anatomy import Anatomy, largest_part
from napari_ddmd.synthetic.deformation import move, outward
from napari_ddmd.synthetic.grid import Field, Grid, Mask
from napari_ddmd.synthetic.noise import random_field
from napari_ddmd.synthetic.variety import TYPICAL, Variety

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4
"""Labels of a BRATS mask up to 2021."""
_FAR = 12.0
"""Where reach is cut off on both sides of the front, mm."""


@dataclass(frozen=True)
class Growth:
    """How far a tumour has come, on a coarse grid, in the brain that it has pushed aside.

    Parameters
    ----------
    grid : Grid
        Grid of the fields.
    core, oedema : ndarray, shape (I, J, K)
        Signed reach, mm or so: positive inside, zero at the front.
    push : ndarray, shape (3, I, J, K)
        Displacement of the tissue, mm.
    """

    grid: Grid
    core: Field
    oedema: Field
    push: Field


@dataclass(frozen=True)
class Tumour:
    """A grown tumour on the grid of a case, all of shape (I, J, K).

    Parameters
    ----------
    labels : ndarray of uint8
        0, `NECROSIS`, `OEDEMA` or `ENHANCING`.
    depth : ndarray
        How far inside the oedema's front a voxel lies, 0 at the front and outside, 1 next to the core.
    """

    labels: NDArray[np.uint8]
    depth: Field


def grow(
    anatomy: Anatomy, template_points: Field, grid: Grid, rng: np.random.Generator, variety: Variety = TYPICAL
) -> Growth:
    """Grow a tumour from a random seed in the white matter of a healthy brain.

    Parameters
    ----------
    anatomy : Anatomy
        The brain on `grid`.
    template_points : ndarray, shape (3, I, J, K)
        MNI position (mm) of each voxel, which tells the hemispheres apart.
    grid : Grid
        A coarse grid.
    rng : numpy.random.Generator
        Source of chance.
    variety : Variety
        Where the seed may lie and how large the tumour may be.
    """
    voxel_ml = grid.spacing**3 / 1000
    depth = ndimage.distance_transform_edt(anatomy.brain) * grid.spacing
    seed = _draw_seed(anatomy, template_points, depth, rng, variety)
    side = np.sign(template_points[0][tuple(seed)])
    # The core displaces and destroys: tissues hardly steer it, sulci slow it, ventricles and falx stop it.
    speed = anatomy.white + 0.8 * anatomy.grey + 0.3 * anatomy.fluid
    speed *= np.exp(0.35 * random_field(rng, grid, 5.0))
    open_ = anatomy.brain & (anatomy.ventricles < 0.3) & (side * template_points[0] > 0.5)
    core = _reach(speed, open_, grid, seed[None], int(rng.uniform(*variety.core_ml) / voxel_ml))
    inside = core > 0
    # Water spreads in the loose white matter and in most patients hardly enters the cortex.
    speed = anatomy.white**2 + (0.06 + variety.cortex) * anatomy.grey
    speed *= np.exp(0.35 * random_field(rng, grid, 6.0))
    speed[inside] = 1
    open_ = (open_ & (anatomy.fluid < 0.5)) | inside
    border = np.argwhere(inside & ~ndimage.binary_erosion(inside))
    volume = inside.sum() + rng.uniform(*variety.oedema_ml) / voxel_ml
    oedema = _reach(speed, open_, grid, border, int(volume))
    oedema[inside] = _FAR
    # The skull holds the surface of the brain where it is.
    room = np.clip(depth / 15, 0, 1)
    push = outward(inside.astype(np.float32), grid, scale=9.0, peak=rng.uniform(5.0, 9.0))
    push *= room.astype(np.float32)
    return Growth(grid, move(core, push, grid), move(oedema, push, grid), push)


def _draw_seed(
    anatomy: Anatomy,
    template_points: Field,
    depth: NDArray[np.float64],
    rng: np.random.Generator,
    variety: Variety,
) -> NDArray[np.int64]:
    """Choose a voxel of the white matter, off the midline and the surface; of a typical patient, off the stem too."""
    x, _, z = template_points
    (shallow, deep), (low, high) = variety.depth_mm, variety.height_mm
    place = (depth > shallow) & (depth < deep) & (np.abs(x) > variety.off_midline_mm) & (z > low) & (z < high)
    white = np.quantile(anatomy.white[place], variety.white)  # not absolute: large voxels hold less pure tissue
    return np.asarray(rng.choice(np.argwhere(place & (anatomy.white >= white))))


def _reach(
    speed: Field,
    open_: Mask,
    grid: Grid,
    starts: NDArray[np.int64],
    volume: int,
) -> Field:
    """Return how far (mm at speed 1) each voxel lies behind the front when that encloses `volume` voxels."""
    cost = np.where(open_, 1 / np.maximum(speed, 0.02), np.inf)
    cost[tuple(starts.T)] = 1
    solver = MCP_Geometric(cost, sampling=(grid.spacing,) * 3)
    arrival = np.asarray(solver.find_costs(starts.tolist())[0])
    reached = np.sort(arrival[np.isfinite(arrival)])
    front = reached[min(volume, reached.size - 1)]
    return np.asarray(np.clip(front - arrival, -_FAR, _FAR), np.float32)


def settle(
    growth: Growth, anatomy: Anatomy, grid: Grid, rng: np.random.Generator, variety: Variety = TYPICAL
) -> Tumour:
    """Label the voxels of a fine grid.

    Parameters
    ----------
    growth : Growth
        How far the tumour has come.
    anatomy : Anatomy
        The brain on `grid`, after the push.
    grid : Grid
        Grid of the labels.
    rng : numpy.random.Generator
        Source of chance for borders, rim and septa.
    variety : Variety
        How readily oedema enters grey matter.
    """
    core = grid.resample(growth.core, growth.grid) + 0.9 * random_field(rng, grid, 2.0)
    inside = largest_part((core > 0) & anatomy.brain & (anatomy.ventricles < 0.5))
    inside = ndimage.binary_fill_holes(_smoothed(inside, grid)) & anatomy.brain
    depth = ndimage.distance_transform_edt(inside) * grid.spacing - grid.spacing / 2
    # A rim that is thick here and thin there, broken in places, with a few septa through the necrosis.
    thickness = 2.8 * np.exp(0.4 * random_field(rng, grid, 4.0))
    broken = random_field(rng, grid, 5.0) < -1.4
    septum = (np.abs(random_field(rng, grid, 3.5)) < 0.09) & (depth < 7)
    rim = (depth < thickness) & ~broken | septum
    reach = grid.resample(growth.oedema, growth.grid) + 0.8 * random_field(rng, grid, 2.0)
    loose = anatomy.white + variety.cortex * anatomy.grey
    wet = (reach > 0) & (anatomy.fluid < 0.4) & ((loose > 0.25) | (reach > 6))
    wet = largest_part(_smoothed(wet, grid) & (anatomy.fluid < 0.6) | inside) & anatomy.brain
    labels = np.where(wet, np.uint8(OEDEMA), np.uint8(0))
    labels[inside] = np.where(rim[inside], ENHANCING, NECROSIS)
    return Tumour(labels, (np.clip(reach / 8, 0, 1) * wet).astype(np.float32))


def _smoothed(mask: Mask, grid: Grid) -> Mask:
    return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), 0.8 / grid.spacing) > 0.5)
