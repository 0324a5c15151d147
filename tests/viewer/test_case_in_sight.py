from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.viewer.case_in_sight import CaseInSight
from napari_ddmd.viewer.drawn_for import note_drawing
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.layer_tag import is_of
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.viewer_links import ViewerLinks
from tests.viewer.conftest import add_case, add_plain_images


@pytest.fixture
def panels(viewer: ViewerModel) -> FourPanels:
    return FourPanels(viewer, ViewerLinks())


@pytest.fixture
def put_off() -> list[Callable[[], None]]:
    """What is to be done later."""
    return []


@pytest.fixture
def sight(viewer: ViewerModel, panels: FourPanels, case: Case, put_off: list[Callable[[], None]]) -> CaseInSight:
    sight = CaseInSight(viewer, panels, ViewerLinks(), put_off.append)
    sight.follow(case, case)
    return sight


@pytest.fixture
def other(case: Case) -> Case:
    return dataclasses.replace(case, name="Other", images=case.images * 2)


def shown(viewer: ViewerModel, case: Case) -> list[str]:
    """Names of a case's visible layers, without the numbers that napari adds."""
    return [str(layer.name).split(" [")[0] for layer in viewer.layers if layer.visible and is_of(layer, case)]


def test_one_case_is_seen_at_a_time(viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case) -> None:
    viewer.layers["t1"].visible = True
    add_case(viewer, other)
    for in_hand, away, seen in ((other, case, ["flair"]), (case, other, ["t1", "flair"])):
        sight.follow(in_hand, in_hand)
        assert shown(viewer, in_hand) == seen
        assert shown(viewer, away) == []
    viewer.layers["t1"].visible = False
    sight.follow(other, other)
    viewer.layers["t2 [1]"].visible = True
    sight.follow(case, case)
    assert shown(viewer, case) == ["flair"]
    sight.follow(other, other)
    assert shown(viewer, other) == ["t2", "flair"]


def test_the_layout_stays_and_shows_the_other_case(
    viewer: ViewerModel, sight: CaseInSight, panels: FourPanels, case: Case, other: Case
) -> None:
    panels.show(Arrangement.MODALITIES, case)
    add_case(viewer, other)
    sight.follow(other, None)  # its images are not all there yet
    assert panels.arrangement is Arrangement.SINGLE
    sight.follow(other, other)
    assert panels.arrangement is Arrangement.MODALITIES
    assert panels.image_in((0, 0)) is viewer.layers["t1 [1]"]
    assert shown(viewer, other) == list(MODALITIES)
    assert shown(viewer, case) == []
    sight.follow(case, case)
    assert panels.image_in((0, 0)) is viewer.layers["t1"]
    panels.show(Arrangement.SINGLE, case)
    assert shown(viewer, case) == ["flair"]
    assert shown(viewer, other) == []


def test_a_layout_that_the_case_has_no_images_for_ends(
    viewer: ViewerModel, sight: CaseInSight, panels: FourPanels, case: Case, other: Case
) -> None:
    panels.show(Arrangement.MODALITIES, case)
    add_case(viewer, other)
    for modality in MODALITIES[:3]:
        viewer.layers.remove(f"{modality} [1]")
    sight.follow(other, other)
    assert panels.arrangement is Arrangement.SINGLE
    assert shown(viewer, other) == ["flair"]


def test_a_layout_that_was_left_meanwhile_does_not_come_back(
    viewer: ViewerModel, sight: CaseInSight, panels: FourPanels, case: Case, other: Case
) -> None:
    panels.show(Arrangement.MODALITIES, case)
    sight.follow(other, None)
    sight.forget_wish()
    add_case(viewer, other)
    sight.follow(other, other)
    assert panels.arrangement is Arrangement.SINGLE


def test_what_comes_of_another_case_stays_hidden_until_that_is_in_hand(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    add_case(viewer, other)
    sight.follow(other, other)
    LesionLayer(viewer, case).ensure(0.5)
    assert shown(viewer, case) == []
    sight.follow(case, case)
    assert shown(viewer, case) == ["flair", "lesion"]


def test_the_brush_does_not_stay_on_a_case_that_is_out_of_sight(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    for one in (case, other):
        if one is other:
            add_case(viewer, other)
            sight.follow(other, other)
        lesion = LesionLayer(viewer, one)
        lesion.ensure(0.5)
        viewer.layers.selection.active = lesion.layer
    sight.follow(case, case)
    assert viewer.layers.selection.active is viewer.layers["lesion"]
    viewer.layers["lesion"].visible = False
    sight.follow(other, other)
    viewer.layers.selection.active = viewer.layers["lesion [1]"]
    sight.follow(case, case)
    assert viewer.layers.selection.active is viewer.layers["flair"]
    # Nor one that was hidden all the time, as the expert's mask is.
    viewer.layers.selection.active = viewer.layers["expert mask"]
    sight.follow(other, other)
    assert is_of(viewer.layers.selection.active, other)


def test_what_comes_of_a_case_is_hidden_while_another_is_made_of_its_images(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    sight.follow(case, other)  # one of the images was exchanged
    assert shown(viewer, case) == ["flair"]
    LesionLayer(viewer, case).ensure(0.5)
    assert shown(viewer, case) == ["flair"]
    sight.follow(case, case)
    assert shown(viewer, case) == ["flair", "lesion"]


def test_results_come_back_when_an_image_was_not_chosen_for_a_moment(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    LesionLayer(viewer, case).ensure(0.5)
    sight.follow(case, other)
    assert shown(viewer, case) == ["flair"]
    sight.follow(case, None)
    sight.follow(case, case)
    assert shown(viewer, case) == ["flair", "lesion"]


def test_what_was_drawn_on_images_of_no_case_goes_with_them(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    viewer.layers.clear()
    sight.follow(None, None)
    add_plain_images(viewer, case)
    sight.follow(None, case)
    drawn = viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name="drawn")
    note_drawing(drawn, case)
    viewer.layers.select_all()
    for layer in [layer for layer in viewer.layers if layer is not drawn]:
        viewer.layers.remove(layer)
    sight.follow(None, None)
    add_plain_images(viewer, other)
    sight.follow(None, other)
    assert not drawn.visible


def test_what_was_drawn_for_a_patient_is_seen_with_him_alone(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    drawn, nobodys = (viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name=name) for name in ("drawn", "free"))
    note_drawing(drawn, case)
    viewer.layers.selection.active = drawn
    add_case(viewer, other)
    for _turn in range(2):
        sight.follow(other, other)
        assert (drawn.visible, nobodys.visible) == (False, True)
        assert viewer.layers.selection.active is not drawn, "it would be painted on"
        sight.follow(case, case)
        assert (drawn.visible, nobodys.visible) == (True, True)
    drawn.visible = False
    sight.follow(other, other)
    sight.follow(case, case)
    assert not drawn.visible


def test_what_was_hidden_is_seen_again_with_another_panel(
    viewer: ViewerModel, sight: CaseInSight, panels: FourPanels, case: Case, other: Case
) -> None:
    drawn = viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name="drawn")
    note_drawing(drawn, case)
    add_case(viewer, other)
    sight.follow(other, other)
    assert not drawn.visible
    CaseInSight(viewer, panels, ViewerLinks(), list[Callable[[], None]]().append).follow(case, case)
    assert drawn.visible
    assert shown(viewer, case) == ["flair"]


def test_a_case_that_is_made_anew_of_the_same_layers_hides_nothing_again(
    viewer: ViewerModel, sight: CaseInSight, case: Case, other: Case
) -> None:
    sight.follow(case, case)
    add_plain_images(viewer, other)
    sight.follow(None, other)
    compared = viewer.layers["flair"]
    assert not compared.visible
    compared.visible = True
    sight.follow(None, None)
    again = dataclasses.replace(other)
    sight.follow(None, again)
    assert compared.visible
    changed = dataclasses.replace(other, images=other.images * 2)
    sight.follow(None, changed)
    assert not compared.visible
    sight.follow(None, None)
    sight.follow(None, changed_again := dataclasses.replace(changed))
    sight.follow(case, case)
    for away in (again, changed_again):
        LesionLayer(viewer, away).ensure(0.5)
    brought = [layer for layer in viewer.layers if layer.name.startswith("lesion")]
    assert [layer.visible for layer in brought] == [False, False], "what a run still brings of another patient"


def test_layers_of_no_case_go_with_their_case_and_drawings_stay(
    viewer: ViewerModel, sight: CaseInSight, case: Case
) -> None:
    for modality in MODALITIES:
        viewer.add_layer(Image(np.ones(case.grid.shape, np.float32), name=f"a_{modality}"))
    viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name="drawn")
    assert viewer.layers["a_t1"].visible, "beside a case they are seen"
    sight.follow(None, None)
    assert shown(viewer, case) == []
    sight.follow(case, case)
    assert shown(viewer, case) == ["flair"]
    assert not viewer.layers["a_t1"].visible
    assert viewer.layers["drawn"].visible
    sight.follow(None, None)
    assert viewer.layers["a_t1"].visible
    assert shown(viewer, case) == []


def test_without_any_images_nothing_changes(viewer: ViewerModel, sight: CaseInSight, case: Case) -> None:
    LesionLayer(viewer, case).ensure(0.5)
    for modality in MODALITIES:
        viewer.layers.remove(modality)
    sight.follow(None, None)
    assert viewer.layers["lesion"].visible


@pytest.mark.usefixtures("sight")
def test_a_hidden_mask_of_the_expert_is_not_taken_in_hand_by_itself(
    viewer: ViewerModel, case: Case, put_off: list[Callable[[], None]]
) -> None:
    opened = dataclasses.replace(case, name="With a mask", mask=np.ones(case.grid.shape, np.uint8))
    selection = viewer.layers.selection
    for chosen in ("flair [1]", "t1"):
        put_off.clear()
        add_case(viewer, opened)
        expert = selection.active
        assert expert is not None
        assert (is_of(expert, opened), expert.visible) == (True, False)
        if chosen == "t1":
            selection.active = viewer.layers["t1"]  # by somebody, meanwhile
        (leave,) = put_off
        leave()
        assert selection.active is viewer.layers[chosen]
    selection.active = expert
    assert selection.active is expert, "who clicks on it has it"


def test_nor_is_one_that_was_there_before_the_panel(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    viewer.layers.selection.active = viewer.layers["expert mask"]
    CaseInSight(viewer, panels, ViewerLinks(), lambda _act: None).follow(case, case)
    assert viewer.layers.selection.active is viewer.layers["flair"]
