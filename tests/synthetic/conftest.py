from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from napari_ddmd.synthetic.anatomy import Anatomy, Template, load_template, sample_anatomy
from napari_ddmd.synthetic.deformation import Deformation, random_deformation
from napari_ddmd.synthetic.grid import Field, Grid
from napari_ddmd.synthetic.tumour import Growth, Tumour, grow, settle


@dataclass(frozen=True)
class Patient:
    """Every stage of one case at 3 mm."""

    grid: Grid
    deformation: Deformation
    points: Field
    healthy: Anatomy
    growth: Growth
    anatomy: Anatomy
    tumour: Tumour


@pytest.fixture(scope="session")
def template() -> Template:
    return load_template()


@pytest.fixture(scope="session", params=[0, 1])
def patient(request: pytest.FixtureRequest, template: Template) -> Patient:
    rng = np.random.default_rng(request.param)
    grid = Grid.covering((80, 80, 52))
    deformation = random_deformation(rng, template, grid)
    points = deformation.template_points(grid)
    healthy = sample_anatomy(template, points, grid, rng)
    growth = grow(healthy, points, grid, rng)
    pushed = deformation.pushed(growth.push).template_points(grid)
    anatomy = sample_anatomy(template, pushed, grid, rng)
    return Patient(grid, deformation, pushed, healthy, growth, anatomy, settle(growth, anatomy, grid, rng))
