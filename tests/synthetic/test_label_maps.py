"""The anatomy of one brain, from its label map."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, CaseError
from napari_ddmd.synthetic import case as room
from napari_ddmd.synthetic import make_small_case, write_case
from napari_ddmd.synthetic.anatomy import Template
from napari_ddmd.synthetic.deformation import Deformation
from napari_ddmd.synthetic.grid import Field, Grid
from napari_ddmd.synthetic.label_maps import load_label_map

from .heads import head, write_head


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return load_label_map(write_head(tmp_path_factory.mktemp("maps") / "head.nii.gz", head()))


def centre(values: Field, template: Template) -> NDArray[np.float64]:
    """Middle of what is above a half, MNI mm."""
    return np.asarray(np.argwhere(values > 0.5).mean(axis=0) + template.affine[:3, 3])


def test_it_lies_where_the_average_lies(own: Template, template: Template) -> None:
    assert own.t1.shape == template.t1.shape
    np.testing.assert_array_equal(own.affine, template.affine)
    for axis in range(3):
        ours, theirs = (np.quantile(np.nonzero(t.t1 > 0)[axis], (0.02, 0.98)) for t in (own, template))
        np.testing.assert_allclose(ours, theirs, atol=2.5)
    np.testing.assert_allclose(centre(own.ventricles, own)[1:], (-12, 24), atol=6)


def test_tissues_have_the_levels_of_the_average(own: Template) -> None:
    def level(x: float, y: float, z: float) -> float:
        return float(own.sample(own.t1, np.array([x, y, z], np.float32).reshape(3, 1, 1, 1)).item())

    assert level(40, -20, 30) == pytest.approx(0.88, abs=0.02)
    assert level(11, -18, 7) == pytest.approx(0.76, abs=0.02)
    assert level(14, -12, 24) == pytest.approx(0.27, abs=0.02)
    assert level(24, -64, -38) == pytest.approx(0.60, abs=0.03)
    assert level(80, 0, 0) == 0, "the skull is no brain"
    np.testing.assert_array_less(own.grey + own.white, 1.001)


@pytest.mark.parametrize(
    ("pitch", "orientation"),
    [(20, "LIA"), *(pytest.param(*pose, marks=pytest.mark.torture) for pose in ((-15, "RAS"), (0, "PSR")))],
)
def test_pose_and_order_of_axes_do_not_matter(pitch: float, orientation: str, own: Template, tmp_path: Path) -> None:
    turned = load_label_map(write_head(tmp_path / "turned.nii.gz", head(pitch), orientation))

    np.testing.assert_allclose(centre(turned.ventricles, turned), centre(own.ventricles, own), atol=2.5)
    ours, theirs = turned.white > 0.5, own.white > 0.5
    assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.93


def test_a_mirrored_one_has_its_sides_exchanged(own: Template) -> None:
    mirrored = own.mirrored()
    first, other = centre(own.ventricles, own), centre(mirrored.ventricles, mirrored)

    assert first[0] > 1
    np.testing.assert_allclose(other, first * (-1, 1, 1), atol=0.01)
    np.testing.assert_array_equal(mirrored.mirrored().t1, own.t1)


def test_a_case_is_made_of_it_on_either_side(own: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Template] = []
    deform = room.random_deformation

    def remember(rng: np.random.Generator, template: Template, grid: Grid) -> Deformation:
        taken.append(template)
        return deform(rng, template, grid)

    monkeypatch.setattr(room, "random_deformation", remember)
    for seed in range(4):
        case = make_small_case(seed, (40, 40, 26), template=own)
        brain = case.images["t1"] > 0
        assert 0.9e6 < brain.sum() * 6.0**3 < 1.9e6
        assert np.unique(case.mask).tolist() == [0, 1, 2, 4]
        again = make_small_case(seed, (40, 40, 26), template=own)
        assert all((case.images[kind] == again.images[kind]).all() for kind in MODALITIES)
    assert {np.sign(centre(template.ventricles, own)[0]) for template in taken} == {1, -1}


def test_a_case_is_written_with_it(own: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "make_case", lambda seed, **more: make_small_case(seed, (40, 40, 26), **more))
    path = write_head(tmp_path / "maps" / "head.nii", head())
    folder = write_case(tmp_path / "patient", 3, anatomy=path)
    written = np.asarray(nibabel.nifti1.load(folder / "Synthetic_003_t1.nii.gz").dataobj)

    np.testing.assert_array_equal(written, make_small_case(3, (40, 40, 26), template=own).images["t1"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"words", "not a NIfTI file"),
        (np.full((8, 8, 8), 3, np.int16), r"no white matter \(2 and 41\)"),
        (np.full((8, 8, 8, 2), 2, np.int16), "4-D"),
    ],
)
def test_a_bad_file_is_named_in_one_line(
    content: bytes | NDArray[np.int16] | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "map.nii.gz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        nibabel.save(nibabel.nifti1.Nifti1Image(content, np.eye(4)), path)

    with pytest.raises(CaseError, match=rf"map\.nii\.gz: [^\n]*{complaint}[^\n]*$"):
        load_label_map(path)


def test_a_map_of_few_codes_is_not_turned(tmp_path: Path) -> None:
    codes = np.where(np.isin(head(), (2, 41)), 3000, 0).astype(np.int16)
    template = load_label_map(write_head(tmp_path / "parcels.nii.gz", codes, "RAS"))

    assert (template.white > 0.5).sum() > 1e5
    assert not template.ventricles.any()
