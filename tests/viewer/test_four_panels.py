from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe, Sampling
from napari_ddmd.viewer.viewer_links import ViewerLinks
from tests.results import slice_result
from tests.viewer.conftest import add_case


@pytest.fixture
def panels(viewer: ViewerModel) -> FourPanels:
    return FourPanels(viewer, ViewerLinks())


@pytest.fixture
def recipe(case: Case, tiny_bundle: Bundle) -> Recipe:
    return Recipe(case, tiny_bundle.sha256, Sampling())


@pytest.fixture
def results(viewer: ViewerModel, case: Case) -> ResultLayers:
    return ResultLayers(viewer, case)


def cells(viewer: ViewerModel) -> list[list[str]]:
    """Roles of the visible layers in each of the four cells, bottom layer first."""
    found: list[list[str]] = [[], [], [], []]
    for index, layer in enumerate(viewer.layers):
        row, column = viewer.canvas.grid.position(index, viewer.layers)
        tag = tag_of(layer)
        if layer.visible and tag is not None:
            found[2 * row + column].append(tag.role)
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
    assert not any(mirror.editable for mirror in mirrors)


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


def test_without_intra_map_the_uncertainty_takes_its_place(
    viewer: ViewerModel, panels: FourPanels, results: ResultLayers, recipe: Recipe, case: Case
) -> None:
    results.add(recipe, slice_result(case, 4, intra=False))
    panels.show(Arrangement.EXPLAIN, case)
    assert [cell[0] for cell in cells(viewer)] == ["flair", Role.INTER, Role.UNCERTAINTY, Role.PROBABILITY]


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
    viewer.layers.remove("lesion (copy)")
    viewer.layers["lesion"].paint((4, 20, 20), 1)
    panels.show(Arrangement.SINGLE, case)
    assert not [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR]


def test_a_case_with_too_few_layers_stays_single(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    viewer.layers.remove("t1")
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


def test_layers_of_others_do_not_disturb(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    panels.show(Arrangement.MODALITIES, case)
    viewer.add_layer(Labels(np.zeros(case.grid.shape, np.uint8)))
    assert len(viewer.layers) == 6
