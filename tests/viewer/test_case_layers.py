from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Layer

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.viewer.case_layers import case_layers, contrast_limits


def test_a_case_is_four_images_and_the_expert_mask(case: Case) -> None:
    layers = case_layers(case)
    assert [arguments["name"] for _data, arguments, _kind in layers] == [*MODALITIES, "expert mask"]
    assert [kind for _data, _arguments, kind in layers] == ["image"] * 4 + ["labels"]
    for channel, (data, _arguments, _kind) in enumerate(layers[:4]):
        assert np.shares_memory(data, case.images)
        np.testing.assert_array_equal(data, case.images[channel])
    for data, arguments, kind in layers:
        assert Layer.create(data, arguments, kind).data.shape == case.grid.shape


def test_flair_alone_is_visible(case: Case) -> None:
    visible = [arguments["name"] for _data, arguments, _kind in case_layers(case) if arguments["visible"]]
    assert visible == ["flair"]


def test_a_case_without_expert_has_no_such_layer(case: Case) -> None:
    assert len(case_layers(dataclasses.replace(case, mask=None))) == 4


def test_a_few_bright_voxels_do_not_spoil_the_contrast() -> None:
    image = np.zeros((20, 40, 40), np.float32)
    image[4:16, 8:32, 8:32] = np.random.default_rng(0).uniform(50, 100, (12, 24, 24))
    image[10, 10, 10:12] = 10_000
    low, high = contrast_limits(image)
    assert low == 0
    assert 95 < high < 110


@pytest.mark.parametrize("value", [0, 7, -3])
def test_limits_of_a_flat_image_are_in_order(value: float) -> None:
    low, high = contrast_limits(np.full((4, 4, 4), value, np.float32))
    assert low < high
