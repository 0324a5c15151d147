from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.model import Bundle
from napari_ddmd.segment import SliceResult
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.navigation import go_to_slice
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from tests.results import slice_result
from tests.viewer.conftest import AllAtOnce, add_case


@pytest.fixture
def panels(viewer: ViewerModel) -> FourPanels:
    return FourPanels(viewer, ViewerLinks())


@pytest.fixture
def recipe(case: Case, tiny_bundle: Bundle) -> Recipe:
    return Recipe(case, tiny_bundle.sha256, Sampling())


@pytest.fixture
def results(viewer: ViewerModel, case: Case) -> ResultLayers:
    return AllAtOnce(viewer, case)


def without_maps(case: Case) -> SliceResult:
    """What a run says of a slice where the model has no maps, or the case not all images."""
    return dataclasses.replace(slice_result(case, 4), inter=None, intra=None)


def cells(viewer: ViewerModel) -> list[list[str]]:
    """Roles of the visible layers in each of the four cells, bottom layer first."""
    return dealt(viewer, 4)


def dealt(viewer: ViewerModel, count: int) -> list[list[str]]:
    """The same for another number of cells."""
    found: list[list[str]] = [[] for _ in range(count)]
    for index, layer in enumerate(viewer.layers):
        row, column = viewer.canvas.grid.position(index, viewer.layers)
        tag = tag_of(layer)
        if layer.visible and tag is not None:
            found[viewer.canvas.grid.shape[1] * row + column].append(tag.role)
    return found


def test_the_modalities_get_a_cell_each(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    panels.show(Arrangement.MODALITIES, case)
    assert viewer.canvas.grid.enabled
    assert cells(viewer) == [[modality] for modality in MODALITIES]
    assert all(viewer.layers[modality].name_overlay.visible for modality in MODALITIES)


def test_each_modality_carries_the_outline_of_the_lesion(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    outline = [Role.MIRROR, Role.MIRROR, Role.MIRROR, Role.LESION]
    assert cells(viewer) == [[m, role] for m, role in zip(MODALITIES, outline, strict=True)]
    mirrors = [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]
    assert all(mirror.data is viewer.layers["lesion"].data for mirror in mirrors)
    assert [mirror.name for mirror in mirrors] == ["lesion on t1", "lesion on t1ce", "lesion on t2"]
    assert not any(mirror.editable for mirror in mirrors)


def test_a_modality_at_full_size_does_not_cover_the_maps(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["flair"].visible, viewer.layers["t1ce"].visible = False, True
    panels.show(Arrangement.EXPLAIN, case)
    assert not viewer.layers["t1ce"].visible
    assert [cell[0] for cell in cells(viewer)] == ["flair", Role.INTER, Role.INTRA, Role.PROBABILITY]
    panels.show(Arrangement.SINGLE, case)
    assert viewer.layers["t1ce"].visible
    assert not viewer.layers["flair"].visible


def test_what_is_read_by_its_colours_has_a_scale_as_long_as_it_has_a_panel(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    viewer.layers["probability"].colorbar.visible = True
    panels.show(Arrangement.EXPLAIN, case)
    scaled = [layer.name for layer in images if layer.colorbar.visible]
    assert scaled == ["inter discrepancy", "intra discrepancy", "probability"]
    panels.show(Arrangement.MODALITIES, case)
    assert [layer.name for layer in images if layer.colorbar.visible] == ["probability"], "which the reader put there"


def test_the_outline_comes_with_the_first_result(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    panels.show(Arrangement.MODALITIES, case)
    results.add(recipe, slice_result(case, 4))
    assert [len(cell) for cell in cells(viewer)] == [2, 2, 2, 2]


def test_mirrors_follow_the_brush(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    drawn: list[object] = []
    mirror = next(layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR)
    mirror.events.set_data.connect(drawn.append)
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    assert drawn
    drawn.clear()
    viewer.layers["lesion"].undo()
    assert drawn


MIRRORED = [Role.MIRROR, Role.MIRROR, Role.MIRROR, Role.LESION]


def test_what_explains_the_mask_carries_its_outline(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    assert panels.available(case) == [Arrangement.SINGLE, Arrangement.MODALITIES]
    results.add(recipe, slice_result(case, 4))
    assert panels.available(case) == list(Arrangement)
    panels.show(Arrangement.EXPLAIN, case)
    images = ["flair", Role.INTER, Role.INTRA, Role.PROBABILITY]
    assert cells(viewer) == [list(pair) for pair in zip(images, MIRRORED, strict=True)]
    panels.show(Arrangement.MODALITIES, case)
    assert "lesion on t1ce" in viewer.layers
    panels.show(Arrangement.EXPLAIN, case)
    assert [layer.name for layer in list(viewer.layers) if layer.name.startswith("lesion")] == [
        "lesion on flair",
        "lesion on inter discrepancy",
        "lesion on intra discrepancy",
        "lesion",
    ]


def test_without_intra_map_the_uncertainty_takes_its_place(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4, intra=False))
    panels.show(Arrangement.EXPLAIN, case)
    assert [cell[0] for cell in cells(viewer)] == ["flair", Role.INTER, Role.UNCERTAINTY, Role.PROBABILITY]


def assert_names_are_true(viewer: ViewerModel) -> None:
    """Each mirror is called after the image that napari puts into the same cell."""
    in_cells: dict[tuple[int, int], list[Layer]] = {}
    for index, layer in enumerate(viewer.layers):
        if layer.visible:
            in_cells.setdefault(viewer.canvas.grid.position(index, viewer.layers), []).append(layer)
    assert len(in_cells) == 4
    for layers in in_cells.values():
        (image,) = (layer for layer in layers if layer.name_overlay.visible)
        for layer in layers:
            if (tag := tag_of(layer)) and tag.role == Role.MIRROR:
                assert layer.name.endswith(f" on {image.name}")


@pytest.mark.parametrize("arrangement", [Arrangement.MODALITIES, Arrangement.EXPLAIN])
@pytest.mark.parametrize("name", ["uncertainty", "agreement of the samples", "sample 1 of 5", "expert mask"])
def test_an_overlay_that_is_switched_on_lies_on_each_image(
    viewer: ViewerModel,
    panels: FourPanels,
    results: ResultLayers,
    recipe: Recipe,
    case: Case,
    arrangement: Arrangement,
    name: str,
) -> None:
    results.add(recipe, slice_result(case, 4, samples=5))
    panels.show(arrangement, case)
    before = cells(viewer)
    viewer.layers[name].visible = True
    assert [len(cell) for cell in cells(viewer)] == [3, 3, 3, 3]
    assert all(set(cell) <= set(after) for cell, after in zip(before, cells(viewer), strict=True))
    assert_names_are_true(viewer)
    viewer.layers[name].visible = False
    assert cells(viewer) == before


def test_mirrors_follow_another_sample(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["sample 1 of 3"].visible = True
    panels.show(Arrangement.MODALITIES, case)
    results.show_sample(2)
    assert results.volumes is not None
    shown = [layer for layer in viewer.layers if np.shares_memory(layer.data, results.volumes.samples[2])]
    assert len(shown) == 4
    assert not any(layer.editable for layer in shown)


def test_everything_is_put_back(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["t2"].visible = True
    viewer.layers["flair"].visible = False
    before = {layer: layer.visible for layer in viewer.layers}
    panels.show(Arrangement.MODALITIES, case)
    panels.show(Arrangement.EXPLAIN, case)
    panels.show(Arrangement.SINGLE, case)
    assert {layer: layer.visible for layer in viewer.layers} == before
    assert not viewer.canvas.grid.enabled
    assert not any(layer.name_overlay.visible for layer in viewer.layers)


def test_layers_may_be_removed_while_arranged(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    viewer.layers.remove("lesion")
    assert not [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]
    viewer.layers.clear()
    panels.show(Arrangement.SINGLE, case)
    assert not viewer.canvas.grid.enabled


def test_one_mirror_may_be_removed_by_hand(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    viewer.layers.remove("lesion on t1")
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    panels.show(Arrangement.SINGLE, case)
    assert not [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]


def test_a_case_that_lacks_an_image_has_three_in_a_row(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    viewer.layers.remove("t1")
    results.add(recipe, without_maps(case))
    before = viewer.canvas.grid.shape
    panels.show(Arrangement.MODALITIES, case)
    assert viewer.canvas.grid.shape == (1, 3)
    assert dealt(viewer, 3) == [["t1ce", Role.MIRROR], ["t2", Role.MIRROR], ["flair", Role.LESION]]
    assert [panels.image_in((0, column)) for column in range(3)] == [viewer.layers[m] for m in ("t1ce", "t2", "flair")]
    panels.show(Arrangement.EXPLAIN, case)
    assert [cell[0] for cell in dealt(viewer, 3)] == ["flair", Role.UNCERTAINTY, Role.PROBABILITY]
    panels.show(Arrangement.SINGLE, case)
    assert viewer.canvas.grid.shape == before
    assert panels.image_in((0, 0)) is None


def test_the_number_of_images_may_change_between_two_layouts(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, without_maps(case))
    for arrangement, images in [(Arrangement.MODALITIES, 4), (Arrangement.EXPLAIN, 3), (Arrangement.MODALITIES, 4)]:
        panels.show(arrangement, case)
        assert [cell[-1] for cell in dealt(viewer, images)] == [*[Role.MIRROR] * (images - 1), Role.LESION]


def test_an_image_that_comes_later_gets_its_cell(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    panels.show(Arrangement.MODALITIES, case)
    late = viewer.layers["t2"]
    viewer.layers.remove(late)  # which ends the arrangement
    late.visible = False
    results.add(recipe, without_maps(case))
    panels.show(Arrangement.MODALITIES, case)
    assert viewer.canvas.grid.shape == (1, 3)
    viewer.layers.insert(0, late)
    assert panels.arrangement is Arrangement.MODALITIES
    assert sorted(cell[0] for cell in dealt(viewer, 4)) == sorted(MODALITIES)
    assert [cell[-1] for cell in dealt(viewer, 4)] == [*[Role.MIRROR] * 3, Role.LESION]
    panels.show(Arrangement.EXPLAIN, case)
    assert [cell[0] for cell in dealt(viewer, 3)] == ["flair", Role.UNCERTAINTY, Role.PROBABILITY]
    other = dataclasses.replace(recipe, model_sha256="other")
    results.begin()
    results.add(other, slice_result(case, 4))  # of a model with maps
    assert sorted(cell[0] for cell in dealt(viewer, 4)) == sorted(["flair", Role.INTER, Role.INTRA, Role.PROBABILITY])


def test_a_single_image_stays_single(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    for name in ("t1", "t1ce", "t2"):
        viewer.layers.remove(name)
    panels.show(Arrangement.MODALITIES, case)
    assert panels.arrangement is Arrangement.SINGLE
    assert not viewer.canvas.grid.enabled
    panels.show(Arrangement.MODALITIES, None)
    assert panels.arrangement is Arrangement.SINGLE


def test_the_lesion_of_another_case_is_not_mirrored(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    panels.show(Arrangement.MODALITIES, other)
    results.add(recipe, slice_result(case, 4))
    assert not [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]


def test_labels_that_somebody_draws_lie_on_each_image(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    panels.show(Arrangement.MODALITIES, case)
    viewer.add_layer(Labels(np.zeros(case.grid.shape, np.uint8)))
    viewer.add_points(np.zeros((1, 3)))
    assert [cell[0] for cell in cells(viewer)] == list(MODALITIES)
    assert len([layer for layer in viewer.layers if np.shares_memory(layer.data, viewer.layers["Labels"].data)]) == 4
    panels.show(Arrangement.SINGLE, case)
    assert [layer.name for layer in viewer.layers][5:] == ["Labels", "Points"]


def test_a_hidden_lesion_stays_hidden(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["lesion"].visible = False
    panels.show(Arrangement.MODALITIES, case)
    assert cells(viewer) == [[modality] for modality in MODALITIES]
    panels.show(Arrangement.SINGLE, case)
    assert not viewer.layers["lesion"].visible


def test_what_is_switched_on_meanwhile_stays_on(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    viewer.layers["uncertainty"].visible = True
    viewer.layers["lesion"].visible = False
    panels.show(Arrangement.EXPLAIN, case)
    images = [panels.image_in((row, column)) for row in range(2) for column in range(2)]
    roles = [tag.role for image in images if image is not None and (tag := tag_of(image))]
    assert [role in cell and len(cell) == 2 for role, cell in zip(roles, cells(viewer), strict=True)] == [True] * 4
    panels.show(Arrangement.SINGLE, case)
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert shown == ["flair", "uncertainty"]


def test_another_slice_is_cut_out_once(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    go_to_slice(viewer, case, 3)
    drawn: list[object] = []
    mirror = viewer.layers["lesion on t1"]
    mirror.events.set_data.connect(drawn.append)
    go_to_slice(viewer, case, 4)
    assert len(drawn) == 1
    np.testing.assert_array_equal(mirror._slice.image.raw, viewer.layers["lesion"].data[4])
    viewer.layers["lesion"].refresh()
    assert len(drawn) == 2
    viewer.layers["lesion"].visible = False
    go_to_slice(viewer, case, 5)
    assert len(drawn) == 2
    viewer.layers["lesion"].visible = True
    np.testing.assert_array_equal(mirror._slice.image.raw, viewer.layers["lesion"].data[5])


def test_mirrors_look_like_their_layer(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers["uncertainty"].visible = True
    viewer.layers["uncertainty"].opacity = 0.3
    panels.show(Arrangement.MODALITIES, case)
    assert viewer.layers["uncertainty on t1"].opacity == 0.3
    viewer.layers["uncertainty"].contrast_limits = (0, 0.1)
    viewer.layers["lesion"].contour = 0
    assert tuple(viewer.layers["uncertainty on t1"].contrast_limits) == (0, 0.1)
    assert viewer.layers["lesion on t1"].contour == 0


def test_the_active_layer_stays_active(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    viewer.layers.selection.active = viewer.layers["lesion"]
    for arrangement in (Arrangement.MODALITIES, Arrangement.EXPLAIN, Arrangement.SINGLE):
        panels.show(arrangement, case)
        assert viewer.layers.selection.active is viewer.layers["lesion"]


def test_without_one_of_its_images_an_arrangement_ends(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    changes: list[Arrangement] = []
    panels.changed.connect(lambda: changes.append(panels.arrangement))
    panels.show(Arrangement.MODALITIES, case)
    viewer.layers.remove("t2")
    assert changes == [Arrangement.MODALITIES, Arrangement.SINGLE]
    assert [layer.name for layer in viewer.layers if layer.visible] == ["flair"]


def test_napari_s_own_grid_button_ends_an_arrangement(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    grid = viewer.canvas.grid
    grid.stride, grid.shape = 2, (1, -1)
    panels.show(Arrangement.MODALITIES, case)
    grid.enabled = False
    assert panels.arrangement is Arrangement.SINGLE
    assert (grid.stride, grid.shape) == (2, (1, -1))
    assert [layer.name for layer in viewer.layers if layer.visible] == ["flair"]


def test_each_cell_knows_its_image(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    assert panels.image_in((0, 0)) is None
    panels.show(Arrangement.MODALITIES, case)
    found = [panels.image_in((row, column)) for row in range(2) for column in range(2)]
    assert found == [viewer.layers[modality] for modality in MODALITIES]


def places(viewer: ViewerModel) -> dict[tuple[int, int], str]:
    """The role of the image that napari puts into each cell."""
    found = {}
    for index, layer in enumerate(viewer.layers):
        if layer.visible and layer.name_overlay.visible and (tag := tag_of(layer)) is not None:
            found[viewer.canvas.grid.position(index, viewer.layers)] = tag.role
    return found


def test_an_image_that_is_hidden_ends_an_arrangement(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    for hidden in ("t2", "flair"):
        panels.show(Arrangement.MODALITIES, case)
        viewer.layers[hidden].visible = False
        assert panels.arrangement is Arrangement.SINGLE
        assert not viewer.canvas.grid.enabled
        assert panels.image_in((1, 0)) is None
        assert [layer.name for layer in viewer.layers if layer.visible] == ["flair", "lesion"]
    viewer.layers["flair"].visible = False
    assert not viewer.layers["flair"].visible, "an image that is alone may be hidden"


def test_another_order_of_the_layers_is_arranged_again(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    viewer.layers.move(viewer.layers.index("flair"), 0)
    images = ["flair", "t1", "t1ce", "t2"]
    cell_list = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [places(viewer)[cell] for cell in cell_list] == images
    assert [panels.image_in(cell) for cell in cell_list] == [viewer.layers[name] for name in images]
    assert [cell[-1] for cell in cells(viewer)] == MIRRORED
    for name, place in (("lesion on t1", 0), ("lesion", 1), ("lesion on t1ce", len(viewer.layers))):
        viewer.layers.move(viewer.layers.index(name), place)
        assert [len(cell) for cell in cells(viewer)] == [2, 2, 2, 2]
        assert_names_are_true(viewer)
        assert [places(viewer)[cell] for cell in cell_list] == images
    assert panels.arrangement is Arrangement.MODALITIES


def test_an_order_that_changes_no_cell_is_left_alone(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    panels.show(Arrangement.MODALITIES, case)
    told: list[None] = []
    panels.changed.connect(lambda: told.append(None))
    viewer.layers.move(viewer.layers.index("expert mask"), 0)
    assert told == []
    assert cells(viewer) == [[modality] for modality in MODALITIES]


def test_a_mirror_that_is_removed_comes_back(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    for name in ("lesion on t1", "lesion on t2"):
        viewer.layers.remove(name)
        assert [len(cell) for cell in cells(viewer)] == [2, 2, 2, 2]
        assert_names_are_true(viewer)
    viewer.layers["lesion"].visible = False
    assert [len(cell) for cell in cells(viewer)] == [1, 1, 1, 1]
    panels.show(Arrangement.SINGLE, case)
    assert not [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]


def test_the_eye_of_a_mirror_is_that_of_its_layer(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4))
    panels.show(Arrangement.MODALITIES, case)
    mirror = viewer.layers["lesion on t1ce"]
    mirror.visible = False
    assert not viewer.layers["lesion"].visible
    assert cells(viewer) == [[modality] for modality in MODALITIES]
    mirror.visible = True
    assert [cell[-1] for cell in cells(viewer)] == MIRRORED
