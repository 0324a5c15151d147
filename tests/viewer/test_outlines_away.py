from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_ddmd.viewer.outlines_away import OutlinesAway


@pytest.fixture
def layer() -> Labels:
    return Labels(np.ones((3, 4, 5), np.uint8))


def test_what_was_visible_comes_back(layer: Labels) -> None:
    hidden = Labels(np.ones((3, 4, 5), np.uint8), visible=False)
    away = OutlinesAway()
    away.hide([layer, hidden])
    assert not layer.visible
    assert layer in away
    assert hidden not in away
    away.show_again()
    assert layer.visible
    assert layer not in away
    assert not hidden.visible


@pytest.mark.parametrize("seen_last", [True, False])
def test_who_shows_it_meanwhile_has_the_say(layer: Labels, seen_last: bool) -> None:
    away = OutlinesAway()
    away.hide([layer])
    layer.visible = True
    away.hide([layer])
    assert layer.visible
    layer.visible = seen_last
    away.show_again()
    assert layer.visible == seen_last
    layer.visible = True
    away.hide([layer])
    assert not layer.visible


@pytest.mark.parametrize("mode", ["paint", "erase", "fill", "polygon"])
def test_what_is_painted_on_is_seen(layer: Labels, mode: str) -> None:
    away = OutlinesAway()
    layer.mode = mode
    away.hide([layer])
    assert layer.visible
    assert layer.mode == mode
    layer.mode = "pan_zoom"
    away.hide([layer])
    assert layer.visible
    away.show_again()
    away.hide([layer])
    assert not layer.visible
