from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.notifications import Notification
from psygnal import EmitLoopError

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.lesion_layer import LesionLayer


@pytest.fixture
def lesion(viewer: ViewerModel, case: Case) -> LesionLayer:
    lesion = LesionLayer(viewer, case)
    lesion.ensure(0.5)
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
    lesion.ensure(0.5)
    assert layer_of(lesion) is layer


def test_what_the_model_writes_is_no_edit(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    np.testing.assert_array_equal(layer_of(lesion).data[3], square(case))
    assert lesion.edited_slices == []


def test_paint_and_undo_are_told_apart(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    layer_of(lesion).paint((3, 15, 15), 1)
    assert lesion.edited_slices == [3]
    layer_of(lesion).undo()
    assert lesion.edited_slices == []


def test_a_slice_that_was_painted_on_is_left_alone(lesion: LesionLayer, case: Case) -> None:
    layer_of(lesion).data[3, 0, 0] = 1
    lesion.write(3, square(case))
    lesion.write(4, square(case))
    assert layer_of(lesion).data[3].sum() == 1
    np.testing.assert_array_equal(layer_of(lesion).data[4], square(case))


def test_another_threshold_leaves_edited_slices_alone(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    lesion.write(4, square(case))
    layer = layer_of(lesion)
    layer.paint((3, 15, 15), 1)
    painted = layer.data[3].copy()
    lesion.set_threshold(np.ones(case.grid.shape, np.uint8), 0.4, [3, 4])
    np.testing.assert_array_equal(layer.data[3], painted)
    assert layer.data[4].all()
    assert not layer.data[5].any()
    assert lesion.edited_slices == [3]


def test_what_was_erased_does_not_come_back_with_the_threshold(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    layer_of(lesion).fill((3, 6, 6), 0)
    assert not layer_of(lesion).data[3].any()
    full = np.zeros(case.grid.shape, np.uint8)
    full[3] = square(case)
    # A threshold at which the model, too, finds nothing there, and back.
    for mask in (np.zeros_like(full), full):
        lesion.set_threshold(mask, 0.9, [3])
    assert not layer_of(lesion).data[3].any()


def test_slices_are_given_back_to_the_model(lesion: LesionLayer, case: Case) -> None:
    layer_of(lesion).paint((3, 15, 15), 1)
    layer_of(lesion).paint((5, 15, 15), 1)
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[3] = square(case)
    lesion.release([3, 4], mask)
    np.testing.assert_array_equal(layer_of(lesion).data[3], square(case))
    assert lesion.edited_slices == [5]
    lesion.undo()
    assert lesion.edited_slices == [3, 5]


def test_a_run_of_another_kind_keeps_what_was_painted(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    lesion.write(4, square(case))
    layer_of(lesion).paint((3, 15, 15), 1)
    painted = layer_of(lesion).data[3].copy()
    lesion.turn_to(1, np.zeros(case.grid.shape, np.uint8), (), 0.5)
    np.testing.assert_array_equal(layer_of(lesion).data[3], painted)
    assert not layer_of(lesion).data[4].any()


def test_everything_is_taken_back_in_its_order(lesion: LesionLayer, case: Case) -> None:
    came_to: list[float] = []
    lesion.stepped_to.connect(came_to.append)
    layer = layer_of(lesion)
    for index in (3, 4):
        lesion.write(index, square(case))
    lesion.end_run()
    after_run = layer.data.copy()
    layer.paint((3, 15, 15), 1)
    after_stroke = layer.data.copy()
    for threshold, size in ((0.4, 6), (0.3, 7)):
        mask = np.zeros(case.grid.shape, np.uint8)
        mask[4, 5 : 5 + size, 5:9] = 1
        lesion.set_threshold(mask, threshold, [3, 4])
    with lesion.editing("smooth") as data:
        data[4] = 0
    names = []
    while (name := lesion.next_undo) is not None:
        names.append(name)
        lesion.undo()
        if name == "threshold":
            np.testing.assert_array_equal(layer.data, after_stroke)
        if name == "painting":
            np.testing.assert_array_equal(layer.data, after_run)
    # A slider that was dragged is one step.
    assert names == ["smooth", "threshold", "painting", "run"]
    assert came_to == [0.5]
    assert not layer.data.any()
    while lesion.next_redo is not None:
        lesion.redo()
    assert came_to == [0.5, 0.3]
    assert not layer.data[4].any()
    np.testing.assert_array_equal(layer.data[3], after_stroke[3])


def test_ctrl_z_of_napari_takes_back_a_run(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    lesion.end_run()
    layer_of(lesion).undo()
    assert not layer_of(lesion).data.any()
    layer_of(lesion).redo()
    np.testing.assert_array_equal(layer_of(lesion).data[3], square(case))


def test_a_stroke_in_mid_run_is_a_step_of_its_own(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    layer_of(lesion).paint((3, 15, 15), 1)
    lesion.write(4, square(case))
    lesion.end_run()
    lesion.undo()
    assert not layer_of(lesion).data[4].any()
    assert lesion.edited_slices == [3]
    lesion.undo()
    np.testing.assert_array_equal(layer_of(lesion).data[3], square(case))


@pytest.mark.parametrize("is_other", [False, True])
def test_a_stroke_is_one_step_though_its_slice_comes_in_meanwhile(
    lesion: LesionLayer, case: Case, is_other: bool
) -> None:
    lesion.write(3, square(case))
    if is_other:
        lesion.write(4, np.zeros_like(square(case)))
    lesion.hold_run(True)
    layer = layer_of(lesion)
    with layer.block_history():  # as napari does while the mouse is down
        layer.paint((4, 3, 3), 1)
        if is_other:
            lesion.turn_to(1, np.zeros(case.grid.shape, np.uint8), (), 0.5)
        lesion.write(4, square(case))
        layer.paint((4, 15, 15), 1)
    assert lesion.next_undo == "painting"
    lesion.undo()
    assert not layer.data[4].any()
    lesion.redo()
    assert layer.data[4, 3, 3]
    assert layer.data[4, 15, 15]
    lesion.hold_run(False)
    lesion.end_run()
    while lesion.next_undo is not None:
        lesion.undo()
    assert not layer.data.any()
    assert not lesion.said_slices


def test_a_removed_layer_stays_away_until_it_is_asked_for(lesion: LesionLayer, viewer: ViewerModel, case: Case) -> None:
    layer = layer_of(lesion)
    viewer.layers.remove(layer)
    lesion.write(3, square(case))
    lesion.set_threshold(np.ones(case.grid.shape, np.uint8), 0.4, [3])
    assert layer not in viewer.layers
    assert not lesion.is_shown
    assert lesion.edited_slices == []


def test_a_removed_layer_comes_back_with_what_was_painted_on_it(
    lesion: LesionLayer, viewer: ViewerModel, case: Case
) -> None:
    layer = layer_of(lesion)
    lesion.write(3, square(case))
    lesion.write(4, square(case))
    lesion.end_run()
    layer.paint((3, 15, 15), 1)
    painted = layer.data[3].copy()
    viewer.layers.remove(layer)
    assert lesion.edited_slices == [3]
    lesion.turn_to(1, np.zeros(case.grid.shape, np.uint8), (), 0.5)  # a run with other settings, whose layer is away
    lesion.write(5, square(case))
    lesion.end_run()
    lesion.ensure(0.5)
    assert viewer.layers[-1] is layer is layer_of(lesion)
    assert lesion.edited_slices == [3]
    np.testing.assert_array_equal(layer.data[3], painted)
    assert [bool(plane.any()) for plane in layer.data[3:6]] == [True, False, True]
    assert lesion.next_undo == "run"
    lesion.undo()
    lesion.undo()
    assert lesion.edited_slices == []
    for index in (3, 4):
        np.testing.assert_array_equal(layer.data[index], square(case))
    layer.paint((6, 15, 15), 1)
    assert lesion.edited_slices == [6]


def test_what_a_run_has_said_is_taken_back_with_it(lesion: LesionLayer, case: Case) -> None:
    layer_of(lesion).paint((5, 15, 15), 1)
    nothing = np.zeros(case.grid.shape[1:], np.uint8)
    for index, mask in ((3, square(case)), (4, nothing), (5, square(case))):
        lesion.write(index, mask)
    lesion.end_run()
    assert lesion.said_slices == {3, 4, 5}, "of one it found nothing, another was painted on"
    lesion.undo()
    assert lesion.said_slices == set()
    lesion.redo()
    assert lesion.said_slices == {3, 4, 5}
    lesion.turn_to(1, np.zeros(case.grid.shape, np.uint8), (), 0.5)
    assert lesion.said_slices == set()
    lesion.write(6, nothing)
    lesion.end_run()
    lesion.undo()
    assert lesion.said_slices == {3, 4, 5}


def test_an_undo_that_somebody_cannot_follow_is_drawn_and_told_all_the_same(lesion: LesionLayer, case: Case) -> None:
    def fail(_run: int) -> None:
        raise MemoryError

    lesion.write(3, square(case))
    lesion.end_run()
    lesion.turn_to(1, np.zeros(case.grid.shape, np.uint8), (), 0.5)
    lesion.end_run()
    lesion.stepped_to_run.connect(fail)
    told: list[bool] = []
    lesion.changed.connect(lambda: told.append(bool(layer_of(lesion).data[3].any())))
    with pytest.raises(EmitLoopError):
        lesion.undo()
    assert told == [True]


def test_a_mask_may_be_the_beginning(lesion: LesionLayer, case: Case) -> None:
    lesion.write(3, square(case))
    lesion.end_run()
    lesion.begin_anew([3, 4])
    assert (lesion.next_undo, lesion.said_slices) == (None, {3, 4})
    layer_of(lesion).paint((3, 15, 15), 1)
    lesion.undo()
    assert lesion.said_slices == {3, 4}


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8])
def test_other_data_of_the_layer_is_taken_over_as_a_step(lesion: LesionLayer, case: Case, dtype: type) -> None:
    lesion.write(3, square(case))
    layer, own = layer_of(lesion), lesion.data
    other = own.astype(dtype)
    layer.data = other  # as napari converts a data type: nothing changes
    assert layer.data is own
    assert lesion.next_undo == "run"
    other = other.copy()
    other[4] = square(case) * 3
    layer.data = other
    assert layer.data is own
    np.testing.assert_array_equal(own, other)
    assert lesion.edited_slices == [4]
    layer.undo()
    assert lesion.edited_slices == []
    layer.data = np.where(other, -1, 0).astype(np.int64)
    assert (own.dtype, own.max()) == (np.uint8, 1)


@pytest.mark.parametrize("shape", [(8, 5, 5), (5, 5)])
def test_data_of_another_shape_is_refused(
    lesion: LesionLayer, case: Case, notifications: list[Notification], shape: tuple[int, ...]
) -> None:
    lesion.write(3, square(case))
    layer, own, scale = layer_of(lesion), lesion.data, tuple(layer_of(lesion).scale)
    layer.data = np.ones(shape, np.uint8)
    assert layer.data is own
    assert lesion.edited_slices == []
    assert tuple(layer.scale) == scale
    assert tuple(layer.translate) == case.grid.translate
    assert [str(told.message) for told in notifications] == [
        f'"lesion" stays as it was: other data came in {" × ".join(map(str, shape))} voxels, '
        f"and it has {' × '.join(map(str, own.shape))}."
    ]
