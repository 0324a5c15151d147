from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer

from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.drawn_for import is_drawing_of, note_drawing
from napari_ddmd.viewer.layer_tag import Role, grid_arguments


@pytest.fixture
def other(case: Case) -> Case:
    """Another patient on the same grid."""
    return dataclasses.replace(case, name="Other", images=case.images * 2)


def drawn(case: Case) -> Labels:
    return Labels(np.ones(case.grid.shape, np.uint8))


def test_labels_are_anyones_until_they_are_noted_and_then_the_first_patients(case: Case, other: Case) -> None:
    layer = drawn(case)
    assert is_drawing_of(layer, case)
    assert is_drawing_of(layer, other)
    note_drawing(layer, case)
    note_drawing(layer, other)
    assert is_drawing_of(layer, case)
    assert not is_drawing_of(layer, other)


def test_only_labels_without_a_tag_on_the_cases_grid_are_a_drawing(viewer: ViewerModel, case: Case) -> None:
    elsewhere = Labels(np.ones((3, 4, 5), np.uint8))
    own = Labels(np.ones(case.grid.shape, np.uint8), **grid_arguments(case, Role.LESION))
    for layer in (elsewhere, own, viewer.layers["t1"]):
        note_drawing(layer, case)
        assert not is_drawing_of(layer, case)


def test_the_patient_is_known_again_by_the_images(case: Case, other: Case) -> None:
    layer = drawn(case)
    note_drawing(layer, case)
    opened_again = dataclasses.replace(case, images=case.images.copy())
    swapped = dataclasses.replace(case, images=case.images[::-1].copy())
    one_less = dataclasses.replace(case, images=case.images * np.array([0, 1, 1, 1], np.float32)[:, None, None, None])
    assert all(is_drawing_of(layer, same) for same in (opened_again, swapped, one_less))
    blank = dataclasses.replace(other, images=other.images * np.array([0, 1, 1, 1], np.float32)[:, None, None, None])
    assert not is_drawing_of(layer, blank), "that an image is missing makes no two patients one"


def test_a_case_that_shows_nothing_has_its_drawings_too(case: Case, other: Case) -> None:
    layer, nothing = drawn(case), dataclasses.replace(case, images=case.images * 0)
    note_drawing(layer, nothing)
    assert is_drawing_of(layer, nothing)
    assert not is_drawing_of(layer, other)


def test_a_layer_that_is_added_belongs_to_the_case_that_is_read(
    viewer: ViewerModel, desk: Desk, case: Case, other: Case
) -> None:
    layer = viewer.add_labels(np.ones(case.grid.shape, np.uint8), name="drawn")
    desk.set_case(other)
    viewer.layers.selection.active = layer
    _duplicate_layer(viewer.layers)
    for one in (layer, viewer.layers["drawn copy"]):
        assert is_drawing_of(one, case)
        assert not is_drawing_of(one, other), "nor is a copy that is made now"


def test_a_layer_that_was_there_before_belongs_to_the_case_that_it_is_first_taken_in_hand_for(
    viewer: ViewerModel, desk: Desk, case: Case, other: Case
) -> None:
    desk.set_case(None)
    layer = viewer.add_labels(np.ones(case.grid.shape, np.uint8))
    for one in (other, case):
        desk.set_case(one)
        assert is_drawing_of(layer, one)
    desk.set_mask(layer)
    assert not is_drawing_of(layer, other)
