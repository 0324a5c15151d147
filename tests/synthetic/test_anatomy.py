from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_ddmd.synthetic import anatomy as room
from napari_ddmd.synthetic.anatomy import Template, largest_part

from .conftest import Patient


def test_the_template_is_read_without_importing_nilearn() -> None:
    code = (
        "import sys; from napari_ddmd.synthetic.anatomy import load_template; load_template();"
        "sys.exit('nilearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_ventricles_are_a_mirrored_pair_amid_the_brain(template: Template) -> None:
    found = template.ventricles > 0.5
    np.testing.assert_allclose(template.ventricles, template.ventricles[::-1], atol=1e-6)
    assert ndimage.label(found)[1] == 2
    assert 10 < found.sum() / 1000 < 25  # ml: a leak into the cisterns would make it a multiple
    assert template.t1[found].mean() < 0.45


def test_a_missing_nilearn_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    room.load_template.cache_clear()
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="nilearn is not installed"):
        room.load_template()
    spec = ModuleSpec("nilearn", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(room, "find_spec", lambda name: spec)
    with pytest.raises(FileNotFoundError, match=r"mni_icbm152_t1.*: missing; reinstall nilearn"):
        room.load_template()


def test_tissues_share_every_voxel(patient: Patient) -> None:
    tissues = np.stack([patient.anatomy.white, patient.anatomy.grey, patient.anatomy.fluid])
    np.testing.assert_allclose(tissues.sum(0), 1, atol=1e-5)
    assert tissues.min() >= -1e-5
    assert np.all(patient.anatomy.fluid[~patient.anatomy.brain] == 1)


def test_the_brain_has_the_size_and_tissues_of_a_brain(patient: Patient) -> None:
    brain, ml = patient.healthy.brain, patient.grid.spacing**3 / 1000
    assert ndimage.label(brain)[1] == 1
    assert 1150 < brain.sum() * ml < 1800
    white, grey, fluid = (getattr(patient.healthy, t)[brain].mean() for t in ("white", "grey", "fluid"))
    assert 0.25 < white < 0.6
    assert 0.25 < grey < 0.6
    assert 0.03 < fluid < 0.3


def test_the_ventricles_hold_fluid(patient: Patient) -> None:
    inside = patient.healthy.ventricles > 0.9
    assert inside.sum() > 50
    assert patient.healthy.fluid[inside].mean() > 0.75


def test_tissues_are_crisper_than_the_average_they_come_from(patient: Patient, template: Template) -> None:
    brain = patient.anatomy.brain
    average = template.sample(template.white, patient.points)[brain]
    sampled = patient.anatomy.white[brain]
    assert np.mean(sampled * (1 - sampled)) < 0.8 * np.mean(average * (1 - average))
    assert np.corrcoef(average, sampled)[0, 1] > 0.7


def test_nothing_is_the_largest_part_of_nothing() -> None:
    assert not largest_part(np.zeros((3, 4, 5), bool)).any()


def test_the_largest_part_is_kept() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[0, 0, :3] = mask[4:8, 4:8, 4:8] = True
    kept = largest_part(mask)
    assert kept.sum() == 64
    assert not kept[0].any()
