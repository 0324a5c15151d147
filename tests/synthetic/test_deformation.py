from __future__ import annotations

import numpy as np

from napari_ddmd.synthetic.anatomy import Template
from napari_ddmd.synthetic.deformation import Deformation, move, outward, random_deformation
from napari_ddmd.synthetic.grid import Grid

from .conftest import Patient

GRID = Grid.covering((60, 60, 40))


def ball(radius: float, grid: Grid = GRID) -> tuple[np.ndarray, np.ndarray]:
    from_centre = grid.points() - np.float32([-120, 119, 78]).reshape(3, 1, 1, 1)
    return (np.sqrt((from_centre**2).sum(0)) < radius).astype(np.float32), from_centre


def test_without_displacement_the_affine_is_undone() -> None:
    matrix, offset = np.array([[0.9, 0.1, 0], [0, 1.1, 0.2], [0, -0.2, 0.8]]), np.array([-119.0, 127, 70])
    still = Deformation(matrix, offset, GRID, np.zeros((3, *GRID.shape), np.float32))
    voxel = (11, 22, 33)
    point = still.template_points(GRID)[:, *voxel]
    np.testing.assert_allclose(matrix @ point + offset, GRID.points()[:, *voxel], atol=1e-4)


def test_a_push_shows_what_was_there_before() -> None:
    still = Deformation(np.eye(3), np.zeros(3), GRID, np.zeros((3, *GRID.shape), np.float32))
    push = np.zeros((3, *GRID.shape), np.float32)
    push[0] = 2 * GRID.spacing  # everything moves 8 mm to the right of the patient
    moved = still.pushed(push).template_points(GRID)
    np.testing.assert_allclose(moved[0], GRID.points()[0] - 8, atol=1e-4)
    field = np.arange(60, dtype=np.float32)[:, None, None] * np.ones(GRID.shape, np.float32)
    # to the right is against the first axis
    np.testing.assert_allclose(move(field, push, GRID)[:-2], field[2:])


def test_a_swelling_ball_pushes_outwards() -> None:
    body, from_centre = ball(20)
    push = outward(body, GRID, scale=8, peak=5)
    np.testing.assert_allclose(np.sqrt((push**2).sum(0)).max(), 5, rtol=1e-5)
    near = (np.sqrt((from_centre**2).sum(0)) > 10) & (np.sqrt((from_centre**2).sum(0)) < 30)
    assert ((push * from_centre).sum(0)[near] > 0).all()
    assert move(body, push, GRID).sum() > 1.3 * body.sum()


def test_nothing_pushes_nothing() -> None:
    assert not outward(np.zeros(GRID.shape, np.float32), GRID, scale=8, peak=5).any()


def test_a_head_does_not_fold(patient: Patient) -> None:
    pushed = patient.deformation.pushed(patient.growth.push)
    template = pushed.template_points(patient.grid)
    steps = np.diag(patient.grid.affine)[:3]
    jacobian = np.stack([np.stack(np.gradient(axis, *steps)) for axis in template])
    determinant = np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1)))
    folded = (determinant <= 0) & patient.anatomy.brain
    assert folded.sum() < 0.001 * patient.anatomy.brain.sum()


def test_heads_differ_and_follow_their_seed(template: Template) -> None:
    first, same, other = (random_deformation(np.random.default_rng(s), template, GRID) for s in (5, 5, 6))
    np.testing.assert_array_equal(first.template_points(GRID), same.template_points(GRID))
    assert np.abs(first.template_points(GRID) - other.template_points(GRID)).mean() > 1
