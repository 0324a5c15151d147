"""Deformation: the way from a voxel of a BRATS volume back to the point of the template it shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_ddmd.synthetic.anatomy import Template
from napari_ddmd.synthetic.grid import Field, Grid
from napari_ddmd.synthetic.noise import random_field

_CENTRE = np.array([-119.0, 127.0, 71.5])
"""Where BRATS volumes (SRI24 space) hold the origin of MNI space, RAS mm."""
_SCALE = np.array([0.925, 0.95, 0.875])
"""Size of a BRATS brain in units of the ICBM152 average, which is larger than life."""
_PITCH = np.radians(10.0)
"""Heads lie tilted in SRI24 space, the forehead up."""
_ELASTIC = ((28.0, 2.6), (11.0, 2.1), (5.0, 1.0))
"""(scale, standard deviation) of the elastic fields, mm: head shape, lobes, gyri."""


@dataclass(frozen=True)
class Deformation:
    """A backward map: affine, plus a displacement field on a coarse grid.

    Parameters
    ----------
    matrix : ndarray, shape (3, 3)
        From template to patient, without the translation.
    offset : ndarray, shape (3,)
        Patient position of the template's origin, mm.
    grid : Grid
        Coarse grid of the displacement.
    displacement : ndarray, shape (3, I, J, K)
        Added to a patient position before the affine is undone, mm.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    grid: Grid
    displacement: Field

    def template_points(self, grid: Grid) -> Field:
        """Return the template position (mm) that each voxel of `grid` shows, shape (3, I, J, K)."""
        points = grid.points() + grid.resample(self.displacement, self.grid)
        points -= self.offset.astype(np.float32).reshape(3, 1, 1, 1)
        inverse = np.linalg.inv(self.matrix).astype(np.float32)
        return np.asarray(np.einsum("ab,bijk->aijk", inverse, points))

    def pushed(self, push: Field) -> Deformation:
        """Return this deformation after tissue has moved by `push`, (3, I, J, K) mm on `self.grid`."""
        before = move(self.displacement, push, self.grid)
        return Deformation(self.matrix, self.offset, self.grid, before - push)


def move(field: Field, push: Field, grid: Grid) -> Field:
    """Carry a field (..., I, J, K) along with tissue that moves by `push` mm: x gets what was at x - push."""
    scale = np.diag(grid.affine)[:3].astype(np.float32).reshape(3, 1, 1, 1)
    voxels = np.indices(grid.shape, dtype=np.float32) - push / scale
    stack = field.reshape(-1, *grid.shape)
    out = np.empty_like(stack)
    for values, target in zip(stack, out, strict=True):
        ndimage.map_coordinates(values, voxels, target, order=1, mode="nearest")
    return out.reshape(field.shape)


def random_deformation(rng: np.random.Generator, template: Template, grid: Grid) -> Deformation:
    """Draw a head: its pose and size, its elastic shape and the width of its ventricles.

    It need not be mirrored at random: the average is exactly symmetric, all that is drawn here is as likely
    on either side. One brain's template is mirrored before.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    template : Template
        What will be deformed.
    grid : Grid
        Coarse grid (2 mm or so) of the elastic displacement.
    """
    pitch = _PITCH + np.radians(rng.normal(0, 2.0))
    roll, yaw = np.radians(rng.normal(0, 1.0, 2))
    size = _SCALE * rng.normal(1, 0.01) * rng.normal(1, 0.015, 3)
    matrix = _rotation(pitch, roll, yaw) @ np.diag(size)
    offset = _CENTRE + rng.normal(0, 1.0, 3)
    displacement = np.zeros((3, *grid.shape), np.float32)
    for scale, amplitude in _ELASTIC:
        for axis in range(3):
            displacement[axis] += amplitude * random_field(rng, grid, scale)
    # The skull keeps the outline smooth: folds vary more inside than at the surface.
    straight = Deformation(matrix, offset, grid, np.zeros_like(displacement))
    inside = template.sample(template.t1, straight.template_points(grid)) > 0.02
    depth = ndimage.distance_transform_edt(inside) * grid.spacing
    displacement *= np.clip(depth / 14, 0.4, 1).astype(np.float32)
    bent = Deformation(matrix, offset, grid, displacement)
    soft = template.sample(template.ventricles, bent.template_points(grid))
    return bent.pushed(outward(soft, grid, scale=6.0, peak=rng.uniform(0.0, 3.5)))


def outward(body: Field, grid: Grid, scale: float, peak: float) -> Field:
    """Return the displacement (3, I, J, K) mm with which a body that swells pushes its surroundings.

    It runs down the gradient of the body smoothed with `scale` mm, and is `peak` mm at most.
    """
    blurred = ndimage.gaussian_filter(body, scale / grid.spacing)
    push = -np.stack(np.gradient(blurred)) * np.sign(np.diag(grid.affine)[:3]).reshape(3, 1, 1, 1)
    largest = np.sqrt((push**2).sum(0)).max()
    return np.asarray(push * (peak / max(largest, 1e-9)), np.float32)


def _rotation(pitch: float, roll: float, yaw: float) -> NDArray[np.float64]:
    c, s = np.cos([pitch, roll, yaw]), np.sin([pitch, roll, yaw])
    about_x = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
    about_y = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    about_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z)
