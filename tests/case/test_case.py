from __future__ import annotations

import numpy as np
import pytest

from napari_ddmd.case import Case, CaseError

from .conftest import LPS

RNG = np.random.default_rng(0)


def test_arrays_are_on_the_axial_grid_by_default() -> None:
    images = RNG.normal(size=(4, 3, 5, 6))
    mask = RNG.integers(0, 5, (3, 5, 6))
    case = Case.from_arrays("made", images, mask=mask)
    assert case.name == "made"
    assert case.images.dtype == np.float32
    np.testing.assert_array_equal(case.images, images.astype(np.float32))
    assert case.mask is not None
    assert case.mask.dtype == np.uint8
    np.testing.assert_array_equal(case.mask, mask)
    assert case.spacing == (1.0, 1.0, 1.0)
    assert case.grid.source_shape == (3, 5, 6)
    assert case.grid.source_voxel(2, 4, 5) == (2, 4, 5)
    assert case.grid.translate == (0.0, 0.0, 0.0)
    assert case.header.get_data_shape() == (3, 5, 6)
    assert case.files.images == {}
    assert case.warnings == ()


def test_arrays_with_an_affine_are_reordered() -> None:
    images = RNG.normal(size=(4, 6, 5, 3)).astype(np.float32)
    mask = RNG.integers(0, 5, (6, 5, 3)).astype(np.uint8)
    case = Case.from_arrays("made", images, np.diag([-2.0, -3.0, 4.0, 1.0]), mask)
    np.testing.assert_array_equal(case.images, images.transpose(0, 3, 2, 1))
    np.testing.assert_array_equal(case.mask, mask.transpose(2, 1, 0))
    assert case.spacing == (4.0, 3.0, 2.0)
    np.testing.assert_array_equal(case.header.get_best_affine(), case.grid.affine)


def test_the_brain_is_where_any_modality_is_not_zero() -> None:
    images = np.zeros((4, 2, 3, 3))
    images[:2, 0, 1, 1] = 5
    images[2:, 1, 2, 0] = -1
    brain = Case.from_arrays("made", images).brain
    assert brain.dtype == np.bool_
    assert np.argwhere(brain).tolist() == [[0, 1, 1], [1, 2, 0]]


@pytest.mark.parametrize("shape", [(3, 2, 3, 3), (4, 3, 3), (1, 4, 2, 3, 3), (4, 0, 3, 3)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images must be \(4, S, H, W\)"):
        Case.from_arrays("made", np.zeros(shape))


def test_a_mask_must_fit() -> None:
    with pytest.raises(ValueError, match="the grid has"):
        Case.from_arrays("made", np.zeros((4, 2, 3, 3)), mask=np.zeros((3, 3, 3)))


def test_an_oblique_affine_is_refused() -> None:
    tilted = LPS.copy()
    tilted[0, 1] = 0.5
    with pytest.raises(CaseError, match="oblique"):
        Case.from_arrays("made", np.zeros((4, 2, 3, 3)), tilted)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    images = RNG.normal(size=(4, 3, 5, 6))
    images[2, 1, 2, 3] = value
    with pytest.raises(CaseError, match=r"^made, t2: holds NaN or infinite values; [^\n]+$"):
        Case.from_arrays("made", images)


def test_an_empty_modality_is_refused() -> None:
    images = RNG.normal(size=(4, 3, 5, 6))
    images[1] = 0
    with pytest.raises(CaseError, match=r"^made, t1ce: all voxels are zero; [^\n]+$"):
        Case.from_arrays("made", images)


@pytest.mark.parametrize("label", [0.7, 256, 300.5, -1, np.nan])
def test_a_mask_of_arrays_holds_labels_as_one_of_a_file_does(label: float) -> None:
    images = np.arange(1, 73, dtype=np.float32).reshape(4, 2, 3, 3)
    mask = np.zeros((2, 3, 3))
    mask[1, 1, 1] = label
    with pytest.raises(CaseError, match=r"^made, the mask: holds (values that are no labels|label [^;]*); give "):
        Case.from_arrays("made", images, mask=mask)
