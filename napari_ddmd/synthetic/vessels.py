"""Vessels and choroid plexus: what lights up on T1ce although it is healthy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from napari_ddmd.synthetic.anatomy import Anatomy
from napari_ddmd.synthetic.grid import Field, Grid
from napari_ddmd.synthetic.noise import random_field

_Points: TypeAlias = tuple[tuple[float, float, float], ...]
_Courses: TypeAlias = tuple[tuple[float, _Points], ...]
"""Radius and course of large vessels in one hemisphere, MNI mm; the other one mirrors them."""

_SINUSES: _Courses = (
    (3.2, ((0, 62, 28), (0, 52, 45), (0, 32, 60), (0, 2, 72), (0, -38, 76), (0, -70, 60), (0, -101, 5))),
    (2.0, ((0, -40, 4), (0, -58, 0), (0, -78, -6), (0, -95, -10))),
    (1.2, ((2, -2, 13), (2, -20, 15), (2, -34, 12), (0, -40, 4))),
    (1.1, ((12, -12, -14), (16, -24, -10), (10, -36, 0), (0, -40, 4))),
)
_ARTERIES: _Courses = (
    (1.7, ((7, 2, -18), (22, 3, -17), (36, 2, -14), (43, -8, 0), (40, -22, 12))),
    (1.2, ((7, 2, -18), (2, 12, -14), (1.5, 34, -4), (1.5, 40, 12), (1.5, 20, 32), (1.5, -6, 40))),
    (1.6, ((0, -24, -48), (0, -15, -36), (0, -9, -20), (12, -15, -14), (21, -28, -8), (22, -44, -2))),
)
_CHOROID: _Courses = ((3.2, ((6, 2, 8), (11, -14, 15), (20, -34, 14), (26, -42, 2))),)


@dataclass(frozen=True)
class Vessels:
    """What contrast agent reaches, shares 0..1 of shape (I, J, K).

    Parameters
    ----------
    blood : ndarray
        Sinuses, falx, arteries at the base and the small vessels in the sulci.
    choroid : ndarray
        Plexus in the lateral ventricles.
    """

    blood: Field
    choroid: Field


def draw_vessels(
    anatomy: Anatomy,
    grid: Grid,
    template_points: Field,
    coarse: Grid,
    rng: np.random.Generator,
) -> Vessels:
    """Draw the vessels of the brain `anatomy` on `grid`.

    Parameters
    ----------
    anatomy : Anatomy
        Tissues on `grid`; vessels run in the fluid.
    grid : Grid
        Grid to draw on.
    template_points : ndarray, shape (3, I, J, K)
        MNI position (mm) of the voxels of `coarse`, where distances to the large vessels are taken.
    coarse : Grid
        A grid no finer than `grid`, on the same field of view.
    rng : numpy.random.Generator
        Source of chance for the small vessels.
    """
    wall = 0.5 * grid.spacing + 0.2

    def tubes(courses: _Courses) -> Field:
        inside = grid.resample(_distance_inside(template_points, courses), coarse)
        wavering = inside + 0.6 * random_field(rng, grid, 2.0)
        return np.clip(0.5 + wavering / (2 * wall), 0, 1)

    # The zero surfaces of two random fields meet in curves: a net of thin vessels, of which sulci hold some.
    first, second = (random_field(rng, grid, 4.0) for _ in range(2))
    radius = 0.2 * np.exp(0.35 * random_field(rng, grid, 6.0))
    small = np.clip(1.6 - np.hypot(first, second) / radius, 0, 1)
    sulcal = np.clip(4 * ndimage.gaussian_filter(anatomy.fluid, 1.2 / grid.spacing) - 0.5, 0, 1)
    near = np.clip(3 * ndimage.gaussian_filter(anatomy.fluid, 0.8 / grid.spacing) - 0.4, 0, 1)
    # the falx, a sheet of dura in the midline, lights up in patches
    midline = np.clip(1.3 - np.abs(grid.resample(template_points[0], coarse)), 0, 1)
    falx = midline * np.clip(0.3 + 0.3 * random_field(rng, grid, 6.0), 0, 0.6)
    away = 1 - np.clip(2 * anatomy.ventricles, 0, 1)
    large = np.maximum(np.maximum(tubes(_SINUSES), tubes(_ARTERIES)), falx) * near
    blood = np.maximum(small * sulcal, large) * away
    return Vessels(blood, tubes(_CHOROID) * anatomy.ventricles)


def _distance_inside(points: Field, courses: _Courses) -> Field:
    """Return radius minus distance (mm) to the nearest of `courses`, both sides of the head as one."""
    folded = points.copy()
    folded[0] = np.abs(folded[0])
    inside = np.full(points.shape[1:], -100, np.float32)
    for radius, course in courses:
        for start, end in pairwise(course):
            along = np.subtract(end, start).astype(np.float32)
            offset = folded - np.array(start, np.float32).reshape(3, 1, 1, 1)
            share = np.clip(np.einsum("a,aijk->ijk", along / (along @ along), offset), 0, 1)
            offset -= along.reshape(3, 1, 1, 1) * share
            np.maximum(inside, radius - np.sqrt((offset**2).sum(0)), out=inside)
    return inside
