from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap

from napari_ddmd.viewer.session.looks import give_look, look_of
from napari_ddmd.viewer.session.stored_window import StoredColors, StoredLook


def again(layer: Layer) -> tuple[StoredLook, Layer]:
    """The looks of a layer, and a fresh layer that was given them."""
    look = look_of(layer, "key", visible=layer.visible)
    fresh = Image(layer.data) if isinstance(layer, Image) else Labels(layer.data)
    give_look(fresh, look)
    return look, fresh


@pytest.fixture
def image() -> Image:
    return Image(np.random.default_rng(0).random((4, 5, 6)), name="picture")


@pytest.fixture
def labels() -> Labels:
    return Labels(np.arange(120, dtype=np.uint8).reshape(4, 5, 6) % 7, name="drawn")


@pytest.mark.parametrize("colormap", ["magma", "bop blue", Colormap([[0, 0, 0, 1], [0.2, 0.4, 0.6, 1]], name="mine")])
def test_an_image_looks_as_before(image: Image, colormap: Any) -> None:
    image.colormap = colormap
    image.contrast_limits_range = (-1, 3)
    image.contrast_limits = (0.1, 0.7)
    image.gamma, image.opacity, image.visible = 0.6, 0.3, False
    image.blending, image.interpolation2d = "additive", "linear"
    look, fresh = again(image)
    assert look_of(fresh, "key", visible=False) == look
    np.testing.assert_allclose(fresh.colormap.colors, image.colormap.colors)
    assert fresh.contrast_limits == [0.1, 0.7]


@pytest.mark.parametrize("colors", ["shuffled", "direct"])
def test_labels_look_as_before(labels: Labels, colors: str) -> None:
    if colors == "direct":
        labels.colormap = {None: "red", 0: "transparent", 3: "#123456"}
    else:
        labels.new_colormap(seed=5)
    labels.contour, labels.selected_label, labels.brush_size, labels.opacity = 2, 3, 7, 0.4
    look, fresh = again(labels)
    assert look_of(fresh, "key", visible=True) == look
    np.testing.assert_allclose(fresh.get_color(3), labels.get_color(3))
    np.testing.assert_allclose(fresh.get_color(5), labels.get_color(5))


def test_a_number_that_napari_gave_is_no_name(image: Image) -> None:
    look = look_of(image, "key", visible=True)
    for before, stored, after in (
        ("flair [1]", "flair", "flair [1]"),
        ("flair", "flair [2]", "flair"),
        ("flair", "my own", "my own"),
    ):
        image.name = before
        give_look(image, dataclasses.replace(look, name=stored))
        assert image.name == after


@pytest.mark.parametrize(
    "change",
    [
        {"blending": "nonsense"},
        {"interpolation2d": "nonsense"},
        {"contrast_limits": (3.0, 1.0)},
        {"colors": StoredColors(name="nonsense")},
        {"colors": StoredColors(name="x", colors=(), controls=())},
        {"colors": StoredColors(name="x", colors=((0, 0, 0, 1),), controls=(0, 1))},
        {"contour": 2, "brush_size": 2.0},
    ],
)
def test_looks_that_cannot_be_are_left_out(image: Image, change: dict[str, Any]) -> None:
    look = dataclasses.replace(look_of(image, "key", visible=False), **change)
    give_look(image, look)
    assert not image.visible


@pytest.mark.parametrize(
    "change",
    [
        {"selected_label": -5},
        {"selected_label": 2**40},
        {"colors": StoredColors(name="x", colors=((0, 0, 0, 1),), labels=(1, 2))},
        {"colors": StoredColors(name="x", colors=())},
    ],
)
def test_looks_of_labels_that_cannot_be_are_left_out(labels: Labels, change: dict[str, Any]) -> None:
    look = dataclasses.replace(look_of(labels, "key", visible=False), **change)
    give_look(labels, look)
    assert not labels.visible
