from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from napari_ddmd.synthetic import make_small_case
from napari_ddmd.synthetic.contrasts import LEVELS, Levels
from napari_ddmd.synthetic.tumour import OEDEMA, grow, settle
from napari_ddmd.synthetic.variety import TYPICAL, Variety, draw_variety

from .conftest import Patient


def test_every_level_has_a_spread() -> None:
    for variety in (TYPICAL, draw_variety(np.random.default_rng(0))):
        assert list(variety.level_spread) == [entry.name for entry in fields(Levels)]


def test_a_wide_cohort_holds_small_and_large_lesions() -> None:
    drawn = [draw_variety(np.random.default_rng(seed)) for seed in range(200)]
    core, oedema = (np.array([getattr(v, name)[0] for v in drawn]) for name in ("core_ml", "oedema_ml"))
    assert core.min() < 3
    assert core.max() > 45
    assert oedema.min() < 6
    assert oedema.max() > 100
    assert abs(np.corrcoef(core, oedema)[0, 1]) < 0.2


def test_wide_contrasts_lie_further_apart() -> None:
    def spread(variety: Variety) -> float:
        rng = np.random.default_rng(0)
        return float(np.std([np.log(LEVELS["flair"].varied(rng, variety).necrosis) for _ in range(200)]))

    assert spread(draw_variety(np.random.default_rng(0))) > 2 * spread(TYPICAL)


@pytest.mark.parametrize("ml", [2.0, 50.0])
def test_a_tumour_has_the_volume_that_was_asked_for(patient: Patient, ml: float) -> None:
    variety = Variety(core_ml=(ml, ml), oedema_ml=(ml, ml))
    growth = grow(patient.healthy, patient.points, patient.grid, np.random.default_rng(0), variety)

    def radius(count: int) -> float:
        """Of a ball of as many voxels, mm."""
        return float(np.cbrt(3 / (4 * np.pi) * count)) * patient.grid.spacing

    # The core swells as it pushes tissue aside, by 9 mm at most.
    asked, spacing = np.cbrt(3 / (4 * np.pi) * 1000 * ml), patient.grid.spacing
    assert asked - spacing < radius((growth.core > 0).sum()) < asked + 9 + spacing
    assert np.mean(growth.oedema[growth.core > 0] > 0) > 0.97  # but for what interpolation blurs
    assert (growth.oedema > 0).sum() > (growth.core > 0).sum() + 0.5 * ml * 1000 / spacing**3


def test_the_seed_keeps_to_its_place(patient: Patient) -> None:
    variety = Variety(core_ml=(1, 1), oedema_ml=(1, 1), height_mm=(30, 60), off_midline_mm=25)
    for seed in range(4):
        growth = grow(patient.healthy, patient.points, patient.grid, np.random.default_rng(seed), variety)
        x, _, z = (axis[growth.core > 0] for axis in patient.points)
        assert np.median(z) > 22
        assert abs(np.median(x)) > 17


def test_a_wide_case_is_another_one_and_the_same_each_time() -> None:
    typical, wide, again = make_small_case(3), make_small_case(3, wide=True), make_small_case(3, wide=True)
    assert (typical.mask != wide.mask).any()
    np.testing.assert_array_equal(wide.mask, again.mask)
    np.testing.assert_array_equal(wide.images["flair"], again.images["flair"])


@pytest.mark.parametrize("seed", range(12))
def test_every_wide_case_has_a_lesion_inside_the_brain(seed: int) -> None:
    case = make_small_case(seed, wide=True)
    lesion, brain = case.mask > 0, case.images["t1"] > 0
    assert not (lesion & ~brain).any()
    assert 0.001 < lesion.sum() / brain.sum() < 0.4


def test_oedema_enters_the_cortex_where_it_may(patient: Patient) -> None:
    shares = []
    for cortex in (0.0, 0.8):
        variety = Variety(oedema_ml=(60, 60), cortex=cortex)
        rng = np.random.default_rng(0)
        growth = grow(patient.healthy, patient.points, patient.grid, rng, variety)
        labels = settle(growth, patient.healthy, patient.grid, rng, variety).labels
        shares.append(patient.healthy.grey[labels == OEDEMA].mean())
    assert shares[1] > 1.3 * shares[0]
