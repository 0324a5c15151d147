from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.results import Denoising
from napari_ddmd.viewer.denoising_layer import DenoisingLayer
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.navigation import go_to_slice

INDEX = 4


@pytest.fixture
def denoising(case: Case) -> Denoising:
    """Three steps whose values tell them apart."""
    shape = case.grid.shape[1:]
    noisy = np.stack([np.full(shape, value, np.float32) for value in (0.4, 0.3, 0.2, 1.0)])
    estimates = np.stack([np.full(shape, value, np.float32) for value in (0.5, 0.6, 0.7)])
    return Denoising((999, 665, 332), noisy, estimates)


@pytest.fixture
def shown(viewer: ViewerModel, case: Case, denoising: Denoising) -> DenoisingLayer:
    return DenoisingLayer(viewer, case, INDEX, denoising, 1000, number=2)


def seen(shown: DenoisingLayer) -> float:
    return float(shown.layer.data.mean())


def test_the_layer_lies_on_its_slice_alone(viewer: ViewerModel, case: Case, shown: DenoisingLayer) -> None:
    layer = viewer.layers[-1]
    assert layer is shown.layer
    tag = tag_of(layer)
    assert tag is not None
    assert (tag.case, tag.role) == (case, Role.DENOISING)
    assert viewer.dims.ndim == 3
    for index in (INDEX - 1, INDEX, INDEX + 1):
        go_to_slice(viewer, case, index)
        assert layer._slice.empty == (index != INDEX)
    np.testing.assert_allclose(layer.extent.world[:, 1:], viewer.layers["flair"].extent.world[:, 1:])


def test_each_step_has_its_picture_and_its_caption(shown: DenoisingLayer) -> None:
    assert shown.steps == 3
    captions = []
    for step, noisy, expected in ((0, 0.4, 0.5), (1, 0.3, 0.6), (2, 0.2, 0.7), (3, 1.0, 1.0)):
        shown.show(step, expected=False)
        assert seen(shown) == pytest.approx(noisy)
        assert tuple(shown.layer.contrast_limits) == (-1, 1)
        shown.show(step, expected=True)
        assert seen(shown) == pytest.approx(expected)
        assert tuple(shown.layer.contrast_limits) == (0, 1)
        captions.append(shown.caption())
    assert captions == [
        "Slice 4, noise 3: step 1 of 3, t = 1000 of 1000",
        "Slice 4, noise 3: step 2 of 3, t = 666 of 1000",
        "Slice 4, noise 3: step 3 of 3, t = 333 of 1000",
        "Slice 4, noise 3: finished after 3 steps",
    ]


def test_steps_beyond_the_ends_are_the_ends(shown: DenoisingLayer) -> None:
    shown.show(99, expected=False)
    assert shown.step == 3
    shown.show(-1, expected=False)
    assert shown.step == 0


def test_where_no_lesion_is_expected_the_image_shows_through(shown: DenoisingLayer) -> None:
    shown.show(0, expected=True)
    alpha = shown.layer.colormap.map(np.array([0.0, 1.0]))[:, 3]
    assert alpha[0] == 0
    assert 0.3 < alpha[1] < 1
    shown.show(0, expected=False)
    assert (shown.layer.colormap.map(np.array([0.0, 1.0]))[:, 3] == 1).all()


def test_closing_leaves_the_viewer_as_it_was(viewer: ViewerModel, case: Case, denoising: Denoising) -> None:
    before = [(layer, layer.visible) for layer in viewer.layers]
    active = viewer.layers.selection.active
    shown = DenoisingLayer(viewer, case, INDEX, denoising, 1000)
    assert viewer.layers.selection.active is active
    assert shown.is_shown
    shown.close()
    shown.close()
    assert not shown.is_shown
    assert [(layer, layer.visible) for layer in viewer.layers] == before
    assert viewer.layers.selection.active is active
