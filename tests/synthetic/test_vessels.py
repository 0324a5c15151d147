from __future__ import annotations

import numpy as np
import pytest

from napari_ddmd.synthetic.vessels import Vessels, draw_vessels

from .conftest import Patient


@pytest.fixture(scope="module")
def vessels(patient: Patient) -> Vessels:
    rng = np.random.default_rng(0)
    return draw_vessels(patient.anatomy, patient.grid, patient.points, patient.grid, rng)


def test_shares_lie_between_nothing_and_all(vessels: Vessels, patient: Patient) -> None:
    for share in (vessels.blood, vessels.choroid):
        assert share.shape == patient.grid.shape
        assert share.min() >= 0
        assert share.max() <= 1


def test_vessels_run_in_the_fluid(vessels: Vessels, patient: Patient) -> None:
    brain = patient.anatomy.brain
    inside = (vessels.blood > 0.5) & brain
    assert 0.0005 < inside.sum() / brain.sum() < 0.05
    assert patient.anatomy.fluid[inside].mean() > 2 * patient.anatomy.fluid[brain].mean()
    assert (vessels.blood[patient.anatomy.ventricles > 0.5] == 0).all()


def test_the_plexus_lies_in_the_ventricles_of_both_sides(vessels: Vessels, patient: Patient) -> None:
    plexus = vessels.choroid > 0.3
    assert (patient.anatomy.ventricles[plexus] > 0.3).all()
    assert 0 < (patient.points[0][plexus] > 0).mean() < 1


def test_the_sagittal_sinus_runs_along_the_top(vessels: Vessels, patient: Patient) -> None:
    x, y, z = patient.points
    there = (np.abs(x) < 2) & (y > -45) & (y < 0) & (z > 60) & patient.anatomy.brain
    assert vessels.blood[there].mean() > 5 * vessels.blood[patient.anatomy.brain].mean()
