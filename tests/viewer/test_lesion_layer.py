from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.lesion_layer import KEPT_NAME, LesionLayer


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def lesion(viewer: ViewerModel, case: Case, told: list[str]) -> LesionLayer:
    lesion = LesionLayer(viewer, case, told.append)
    lesion.ensure()
    return lesion


def layer_of(lesion: LesionLayer) -> Labels:
    assert lesion.layer is not None
    return lesion.layer


def square(case: Case) -> np.ndarray:
    mask = np.zeros(case.grid.shape[1:], np.uint8)
    mask[5:9, 5:9] = 1
    return mask


def test_the_layer_is_editable_and_belongs_to_the_case(lesion: LesionLayer, case: Case) -> None:
    layer = layer_of(lesion)
    tag = tag_of(layer)
    assert layer.name == "lesion"
    assert layer.editable
    assert np.issubdtype(layer.data.dtype, np.integer)
    assert tag is not None
    assert (tag.case, tag.role) == (case, Role.LESION)
    lesion.ensure()
    assert layer_of(lesion) is layer


def test_what_the_model_writes_is_no_edit(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    np.testing.assert_array_equal(layer_of(lesion).data[3], square(case))
    assert not lesion.is_edited


def test_paint_and_undo_are_told_apart(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    layer_of(lesion).paint((3, 15, 15), 1)
    assert lesion.is_edited
    layer_of(lesion).undo()
    assert not lesion.is_edited


def test_a_slice_that_was_painted_on_is_left_alone(lesion: LesionLayer, case: Case) -> None:
    layer_of(lesion).data[3, 0, 0] = 1
    lesion.write(3, square(case))
    lesion.write(4, square(case))
    assert layer_of(lesion).data[3].sum() == 1
    np.testing.assert_array_equal(layer_of(lesion).data[4], square(case))


def test_an_unedited_mask_is_replaced_in_place(
    lesion: LesionLayer, viewer: ViewerModel, case: Case, told: list[str]
) -> None:
    lesion.write(3, square(case))
    layer, count = layer_of(lesion), len(viewer.layers)
    mask = np.ones(case.grid.shape, np.uint8)
    lesion.replace(mask)
    assert layer_of(lesion) is layer
    np.testing.assert_array_equal(layer.data, mask)
    assert not lesion.is_edited
    assert len(viewer.layers) == count
    assert told == []


def test_an_edited_mask_is_kept_and_the_user_is_told(
    lesion: LesionLayer, viewer: ViewerModel, case: Case, told: list[str]
) -> None:
    edited = layer_of(lesion)
    edited.paint((3, 15, 15), 1)
    painted = edited.data.copy()
    lesion.replace(np.ones(case.grid.shape, np.uint8))
    assert layer_of(lesion) is not edited
    assert edited.name == KEPT_NAME
    assert edited in viewer.layers
    np.testing.assert_array_equal(edited.data, painted)
    assert layer_of(lesion).name == "lesion"
    assert layer_of(lesion).data.all()
    assert told == ['Your edits are kept in "lesion (edited)".']
    # A second time neither of the two is lost.
    layer_of(lesion).data[0, 0, 0] = 0
    lesion.replace(np.zeros(case.grid.shape, np.uint8))
    names = [layer.name for layer in viewer.layers if layer.name.startswith("lesion")]
    assert names == ["lesion (edited)", "lesion (edited) [1]", "lesion"]
    np.testing.assert_array_equal(edited.data, painted)


def test_a_removed_layer_is_not_written_back(lesion: LesionLayer, viewer: ViewerModel, case: Case) -> None:
    layer = layer_of(lesion)
    viewer.layers.remove(layer)
    lesion.write(3, square(case))
    lesion.replace(np.ones(case.grid.shape, np.uint8))
    assert layer not in viewer.layers
    assert not lesion.is_shown
    assert not lesion.is_edited
    lesion.ensure()
    assert lesion.is_shown
    assert not layer_of(lesion).data.any()
