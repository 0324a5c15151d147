from __future__ import annotations

import copy

import numpy as np
from napari.layers import Image

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import AXIS_LABELS, METADATA_KEY, LayerTag, Role, grid_arguments, tag_of


def test_a_layer_on_the_grid_knows_its_place_and_its_case(case: Case) -> None:
    layer = Image(np.zeros(case.grid.shape), **grid_arguments(case, Role.PROBABILITY))
    assert tuple(layer.scale) == case.spacing
    assert tuple(layer.translate) == case.grid.translate
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == AXIS_LABELS
    tag = tag_of(layer)
    assert tag is not None
    assert tag.case is case
    assert tag.role == "probability"


def test_layers_of_others_have_no_tag() -> None:
    assert tag_of(Image(np.zeros((2, 3, 4)))) is None
    assert tag_of({METADATA_KEY: "something else"}) is None


def test_duplicating_a_layer_does_not_copy_the_case(case: Case) -> None:
    metadata = copy.deepcopy({METADATA_KEY: LayerTag(case, Role.LESION)})
    tag = tag_of(metadata)
    assert tag is not None
    assert tag.case is case
