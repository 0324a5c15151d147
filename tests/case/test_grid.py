from __future__ import annotations

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from napari_ddmd.case import AxialGrid, CaseError

from .conftest import LPS

ORIENTATIONS = ["".join(codes) for axes in permutations(("LR", "PA", "IS")) for codes in product(*axes)]
lengths = st.tuples(*[st.integers(1, 5)] * 3)
sizes = st.tuples(*[st.floats(0.3, 6)] * 3)
origins = st.tuples(*[st.floats(-200, 200)] * 3)


def reoriented(image: nibabel.Nifti1Image, codes: str) -> nibabel.Nifti1Image:
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("codes", ORIENTATIONS)
@settings(max_examples=20, deadline=None)
@given(shape=lengths, spacing=sizes, origin=origins)
def test_every_orientation_gives_one_axial_grid_and_the_way_back(
    codes: str, shape: tuple[int, int, int], spacing: tuple[float, ...], origin: tuple[float, ...]
) -> None:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    ras = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.int32).reshape(shape), affine)
    image = reoriented(ras, codes)
    voxels = np.asarray(image.dataobj)
    grid = AxialGrid.from_affine(image.affine, image.shape)

    axial = grid.to_axial(voxels)
    # In RAS order, written out: slices are z, rows go against y, columns against x.
    np.testing.assert_array_equal(axial, np.asarray(ras.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1])
    assert axial.flags.c_contiguous
    assert grid.shape == axial.shape
    np.testing.assert_allclose(grid.spacing, spacing[::-1])

    back = grid.to_source(axial)
    np.testing.assert_array_equal(back, voxels)
    assert back.flags.c_contiguous
    stack = np.stack([axial, axial + 1000])
    np.testing.assert_array_equal(grid.to_axial(grid.to_source(stack)), stack)

    for voxel in product(*[range(length) for length in grid.shape]):
        assert voxels[grid.source_voxel(*voxel)] == axial[voxel]
        np.testing.assert_allclose(
            apply_affine(grid.axial_affine, voxel),
            apply_affine(grid.affine, grid.source_voxel(*voxel)),
            atol=1e-9,
        )
    vertical = next(axis for axis, code in enumerate(codes) if code in "IS")
    for s in range(grid.shape[0]):
        assert grid.file_slice(s) == grid.source_voxel(s, 0, 0)[vertical]
        assert grid.axial_slice(grid.file_slice(s)) == s

    # The last row and column lie at the anatomical origin's end: posterior and left.
    x, y, z = origin
    np.testing.assert_allclose(
        grid.translate, (z, -(y + (shape[1] - 1) * spacing[1]), -(x + (shape[0] - 1) * spacing[0])), atol=1e-9
    )


def test_brats_files_are_read_along_their_third_axis() -> None:
    grid = AxialGrid.from_affine(LPS, (6, 7, 5))
    assert grid.shape == (5, 7, 6)
    assert [grid.file_slice(s) for s in range(5)] == [0, 1, 2, 3, 4]
    assert grid.source_voxel(4, 3, 2) == (2, 3, 4)
    assert str(grid.translate) == "(0.0, -6.0, 0.0)"


def test_grids_compare_by_value() -> None:
    grid = AxialGrid.from_affine(LPS, (6, 7, 5))
    same = AxialGrid.from_affine(LPS.copy(), [6, 7, 5])
    assert grid == same
    assert hash(grid) == hash(same)
    assert grid != AxialGrid.from_affine(LPS, (6, 7, 4))
    assert grid != AxialGrid.from_affine(LPS * 2, (6, 7, 5))
    assert grid != "grid"
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2


def turned(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_oblique_images_are_refused() -> None:
    for degrees in (0.5, 10, 45, 89):
        with pytest.raises(CaseError, match="oblique"):
            AxialGrid.from_affine(turned(degrees), (6, 7, 5))


def test_a_headers_rounding_is_no_tilt() -> None:
    for degrees in (0.01, 89.99, 180.01):
        assert AxialGrid.from_affine(turned(degrees), (6, 7, 5)).shape[0] == 5


def test_a_sheared_image_is_refused() -> None:
    sheared = np.eye(4)
    sheared[0, 2] = 0.2
    with pytest.raises(CaseError, match="oblique"):
        AxialGrid.from_affine(sheared, (6, 7, 5))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_damaged_geometry_is_refused(value: float) -> None:
    affine = np.eye(4)
    affine[1, 1] = value
    with pytest.raises(CaseError, match="damaged"):
        AxialGrid.from_affine(affine, (6, 7, 5))


def test_two_axes_along_one_direction_are_refused() -> None:
    affine = np.eye(4)
    affine[:3, 1] = (1, 0, 0)
    with pytest.raises(CaseError, match="the geometry in the header is damaged"):
        AxialGrid.from_affine(affine, (6, 7, 5))


def test_only_volumes_have_a_grid() -> None:
    with pytest.raises(CaseError, match="3-D"):
        AxialGrid.from_affine(np.eye(4), (6, 7))


def test_an_array_of_another_shape_does_not_fit() -> None:
    grid = AxialGrid.from_affine(LPS, (6, 7, 5))
    with pytest.raises(ValueError, match=r"\(5, 7, 6\), the grid has \(6, 7, 5\)"):
        grid.to_axial(np.zeros((5, 7, 6)))
    with pytest.raises(ValueError, match="the grid has"):
        grid.to_source(np.zeros((6, 7, 5)))
