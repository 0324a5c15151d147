from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.viewer import mask_tools
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.mask_tools import Sheet, ToolError, apply, drawn_slices, lesion_in_hand


@pytest.fixture
def lesion(desk: Desk, case: Case) -> LesionLayer:
    lesion = desk.results_of(case).lesion
    lesion.ensure(0.5)
    desk.set_mask(lesion.layer)
    return lesion


def square(case: Case, *slices: int) -> np.ndarray:
    mask = np.zeros(case.grid.shape, np.uint8)
    for index in slices:
        mask[index, 10:18, 8:16] = 1
    return mask


def sheet(case: Case, before: np.ndarray, *, index: int = 4, whole: bool = False, drawn: Any = ()) -> Sheet:
    return Sheet(case, before, index, whole, tuple(drawn))


def test_tools_keep_to_the_slice_or_work_on_all(case: Case) -> None:
    holed = square(case, 3, 4)
    holed[:, 13, 12] = 0
    one = mask_tools.fill_holes(sheet(case, holed))
    assert (one[3, 13, 12], one[4, 13, 12]) == (False, True)
    every = mask_tools.fill_holes(sheet(case, holed, whole=True))
    assert every[3:5, 13, 12].all()
    smoothed = mask_tools.smooth(sheet(case, holed))
    assert smoothed[3:5, 13, 12].tolist() == [False, True]
    assert smoothed.sum() == holed.sum()
    removed = mask_tools.remove_slice(sheet(case, square(case, 3, 4), whole=True))
    assert (removed[3].any(), removed[4].any()) == (True, False)


@pytest.mark.parametrize("axis", [1, 2])
def test_tools_keep_to_the_slice_of_another_plane(case: Case, axis: int) -> None:
    """As if the case lay otherwise, and the slice were an axial one."""
    order = (1, 0, 2) if axis == 1 else (2, 0, 1)
    turned: Any = SimpleNamespace(
        images=case.images.transpose(0, *(1 + place for place in order)),
        brain=case.brain.transpose(order),
        spacing=tuple(case.spacing[place] for place in order),
    )
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[2:6, 9:18, 7:17] = 1
    mask[3:5, 13, 12] = 0
    mask[2, 9:12, 7:10] = 0
    index = 12 if axis == 1 else 11
    for tool in (mask_tools.fill_holes, mask_tools.smooth, mask_tools.grow, mask_tools.remove_slice):
        made = tool(Sheet(case, mask, index, False, (), axis))
        axial = tool(Sheet(turned, mask.transpose(order), index, False))
        np.testing.assert_array_equal(made.transpose(order), axial)
        changed = np.flatnonzero((made != mask).any(axis=tuple(other for other in range(3) if other != axis)))
        assert changed.tolist() in ([index], []), tool
    assert not mask_tools.remove_slice(Sheet(case, mask, index, False, (), axis)).take(index, axis).any()
    with pytest.raises(ToolError, match="axial slices"):
        mask_tools.interpolate(Sheet(case, mask, index, False, (2, 5), axis))


def test_a_core_grows_into_the_bright_lesion(case: Case) -> None:
    assert case.mask is not None
    core = np.zeros_like(case.mask)
    middle = np.argwhere(case.mask).mean(axis=0).round().astype(int)
    core[tuple(middle)] = 1
    grown = mask_tools.grow(sheet(case, core, index=int(middle[0])))
    lesion = case.mask[middle[0]] > 0
    assert grown[middle[0]].sum() > 3
    assert not (grown[middle[0]] & ~lesion).any()
    assert grown.sum() == grown[middle[0]].sum()


def test_without_flair_nothing_grows_and_the_tool_says_why(case: Case) -> None:
    images = case.images.copy()
    images[MODALITIES.index("flair")] = 0
    with pytest.raises(ToolError, match="FLAIR is missing"):
        mask_tools.grow(sheet(dataclasses.replace(case, images=images), square(case, 4)))


def test_interpolation_fills_the_gap_around_the_slice_or_all_gaps(case: Case) -> None:
    mask = square(case, 0, 2, 4, 7)
    one = mask_tools.interpolate(sheet(case, mask, index=5, drawn=(0, 2, 4, 7)))
    assert one.any(axis=(1, 2)).tolist() == [True, False, True, False, True, True, True, True]
    every = mask_tools.interpolate(sheet(case, mask, index=5, whole=True, drawn=(0, 2, 4, 7)))
    assert every.any(axis=(1, 2)).all()
    ends = mask_tools.interpolate(sheet(case, mask, index=2, drawn=(0, 2, 4, 7)))
    assert ends.any(axis=(1, 2)).tolist() == [True, True, True, False, True, False, False, True]
    for drawn in ((0, 2), (4, 5), (), (2, 4)):
        with pytest.raises(ToolError, match="two slices"):
            mask_tools.interpolate(sheet(case, mask, index=5, drawn=drawn))


@pytest.mark.parametrize("whole", [False, True])
def test_slices_that_were_emptied_by_hand_are_filled(case: Case, whole: bool) -> None:
    mask = square(case, 0, 7)
    filled = mask_tools.interpolate(sheet(case, mask, index=4, whole=whole, drawn=tuple(range(8))))
    assert filled.any(axis=(1, 2)).all(), "as after a lesion was deleted and drawn anew on two slices"


@pytest.mark.parametrize("other", [(3, 4), (2, 3, 4, 5), tuple(range(8))], ids=["between", "most", "everywhere"])
def test_slices_that_hold_another_lesion_are_filled_and_that_one_stays(case: Case, other: tuple[int, ...]) -> None:
    """As after a lesion was deleted and drawn anew on two slices, with another one on those between."""
    mask = square(case, 0, 7)
    alone = mask_tools.interpolate(sheet(case, mask, index=4, drawn=(0, 7)))
    mask[other, 22:26, 19:22] = 1
    before = mask.copy()
    filled = mask_tools.interpolate(sheet(case, mask, index=4, drawn=tuple(range(8))))
    np.testing.assert_array_equal(filled, alone | (mask > 0))
    np.testing.assert_array_equal(mask, before)


def test_lesions_are_not_joined_on_all_slices_past_others_where_nobody_looks(case: Case) -> None:
    mask = square(case, 0, 7)
    mask[:, 22:26, 19:22] = 1
    with pytest.raises(ToolError, match='only "this slice" joins'):
        mask_tools.interpolate(sheet(case, mask, index=4, whole=True, drawn=tuple(range(8))))
    mask[(2, 5), 4:8, 4:8] = 1
    mask[3:5, 22:26, 19:22] = 0
    filled = mask_tools.interpolate(sheet(case, mask, index=0, whole=True, drawn=tuple(range(8))))
    assert filled[3:5, 4:8, 4:8].all()
    assert filled[3:5, 22:26, 19:22].all()
    assert not filled[(1, 3, 4, 6), 10:20, 10:18].any()


def test_slices_between_which_no_shape_has_a_partner_are_told_of(case: Case) -> None:
    mask = square(case, 0)
    mask[4, 22:26, 20:24] = 1
    with pytest.raises(ToolError, match="no shape is near"):
        mask_tools.interpolate(sheet(case, mask, index=2, drawn=(0, 4)))


def test_what_a_tool_made_is_one_step_of_the_history(desk: Desk, case: Case, lesion: LesionLayer) -> None:
    assert lesion_in_hand(desk) is lesion
    before = lesion.data.copy()
    changed = apply(desk, lesion.layer, "smooth", before, square(case, 2, 5) > 0)
    assert changed.tolist() == [2, 5]
    assert drawn_slices(desk) == lesion.edited_slices == [2, 5]
    assert lesion.next_undo == "smooth"
    assert lesion.layer is not None
    lesion.layer.undo()
    assert not lesion.data.any()
    assert len(apply(desk, lesion.layer, "smooth", before, before > 0)) == 0
    assert lesion.next_undo is None


def test_a_stroke_meanwhile_is_not_lost(desk: Desk, case: Case, lesion: LesionLayer) -> None:
    before = lesion.data.copy()
    assert lesion.layer is not None
    lesion.layer.paint((2, 20, 20), 1)
    stroke = lesion.data.copy()
    with pytest.raises(ToolError, match="changed meanwhile"):
        apply(desk, lesion.layer, "grow", before, square(case, 2) > 0)
    np.testing.assert_array_equal(lesion.data, stroke)


def test_a_run_on_other_slices_meanwhile_disturbs_nothing(desk: Desk, case: Case, lesion: LesionLayer) -> None:
    before = lesion.data.copy()
    lesion.write(6, square(case, 6)[6])
    apply(desk, lesion.layer, "grow", before, square(case, 2) > 0)
    np.testing.assert_array_equal(lesion.data, square(case, 2, 6))
    assert lesion.edited_slices == [2]


def test_a_mask_that_was_put_down_is_left_alone(desk: Desk, case: Case, lesion: LesionLayer) -> None:
    desk.set_mask(None)
    with pytest.raises(ToolError, match="Another mask"):
        apply(desk, lesion.layer, "grow", lesion.data.copy(), square(case, 2) > 0)
    assert not lesion.data.any()


def test_labels_that_somebody_drew_keep_their_values_and_their_own_undo(
    desk: Desk, viewer: ViewerModel, case: Case
) -> None:
    drawn = viewer.add_labels(square(case, 2).astype(np.int32) * 3)
    desk.set_mask(drawn)
    drawn.selected_label = 5
    assert lesion_in_hand(desk) is None
    assert drawn_slices(desk) == [2]
    after = square(case, 2, 3) > 0
    after[2, 10] = False
    apply(desk, drawn, "grow", drawn.data.copy(), after)
    assert set(np.unique(drawn.data[2])) == {0, 3}
    assert set(np.unique(drawn.data[3])) == {0, 3}
    assert not drawn.data[2, 10].any()
    drawn.undo()
    np.testing.assert_array_equal(drawn.data, square(case, 2) * 3)


@pytest.mark.parametrize("is_lesion", [False, True])
def test_what_grows_around_a_label_gets_that_label(
    desk: Desk, viewer: ViewerModel, case: Case, lesion: LesionLayer, is_lesion: bool
) -> None:
    """Grow painted the selected label around every other one."""
    drawn = square(case, 3)
    drawn[3, 12:16, 10:14] = 4
    drawn[3, 2:4, 2:4] = 2
    layer = lesion.layer
    if is_lesion:
        lesion.data[:] = drawn
    else:
        layer = viewer.add_labels(drawn.astype(np.int32))
        desk.set_mask(layer)
        layer.selected_label = 5
    assert layer is not None
    after = drawn > 0
    after[2, 12:16, 10:14] = after[3, 9] = after[3, 4, 2:4] = True
    apply(desk, layer, "grow", drawn.copy(), after)
    data = np.asarray(layer.data)
    assert (data[2, 12:16, 10:14] == 4).all()
    assert (data[3, 9, 8:16] == 1).all()
    assert (data[3, 4, 2:4] == 2).all()
    np.testing.assert_array_equal(data[drawn > 0], drawn[drawn > 0])


def test_the_selected_label_is_for_what_is_nowhere_near_another(desk: Desk, viewer: ViewerModel, case: Case) -> None:
    drawn = viewer.add_labels(np.zeros(case.grid.shape, np.int32))
    desk.set_mask(drawn)
    drawn.selected_label = 5
    apply(desk, drawn, "grow", drawn.data.copy(), square(case, 3) > 0)
    assert set(np.unique(drawn.data)) == {0, 5}
