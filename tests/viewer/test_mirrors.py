from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.mirrors import Mirrors, can_be_mirrored


@pytest.fixture
def source(viewer: ViewerModel) -> Labels:
    layer: Labels = viewer.layers["expert mask"]
    layer.visible = True
    return layer


def test_copies_share_the_array_below_their_layer(viewer: ViewerModel, case: Case, source: Labels) -> None:
    mirrors = Mirrors(viewer, case, source, 3)
    assert list(viewer.layers)[-4:] == [*mirrors.layers, source]
    for copy in mirrors.layers:
        assert copy.data is source.data
        assert not copy.editable
        np.testing.assert_array_equal(copy.scale, source.scale)
        np.testing.assert_array_equal(copy.translate, source.translate)
        assert (tag := tag_of(copy)) is not None
        assert (tag.case, tag.role) == (case, Role.MIRROR)


def test_copies_follow_their_layer_until_they_are_removed(viewer: ViewerModel, case: Case, source: Labels) -> None:
    mirrors = Mirrors(viewer, case, source, 2)
    source.opacity, source.name = 0.25, "other"
    source.data = source.data.copy()
    assert [copy.opacity for copy in mirrors.layers] == [0.25, 0.25]
    assert mirrors.layers[0].name == "other (copy)"
    mirrors.name_after(["flair", ""])
    assert mirrors.layers[0].name == "other on flair"
    assert mirrors.layers[1].name.startswith("other (copy)")
    assert all(copy.data is source.data and not copy.editable for copy in mirrors.layers)
    viewer.layers.remove(mirrors.layers[0])
    source.opacity = 0.75
    mirrors.remove()
    assert [layer for layer in viewer.layers if (tag := tag_of(layer)) and tag.role == Role.MIRROR] == []
    source.opacity = 0.5
    assert mirrors.layers[1].opacity == 0.75


def test_copies_hide_and_show(viewer: ViewerModel, case: Case, source: Labels) -> None:
    mirrors = Mirrors(viewer, case, source, 2)
    mirrors.set_visible(False)
    assert not any(copy.visible for copy in mirrors.layers)
    mirrors.set_visible(True)
    assert all(copy.visible for copy in mirrors.layers)


def test_what_is_no_plain_array_is_not_mirrored() -> None:
    assert can_be_mirrored(Labels(np.zeros((4, 5, 6), np.uint8)))
    assert can_be_mirrored(Image(np.zeros((4, 5, 6))))
    assert not can_be_mirrored(Image(np.zeros((5, 6, 3)), rgb=True))
    assert not can_be_mirrored(Image([np.zeros((8, 8)), np.zeros((4, 4))], multiscale=True))
    assert not can_be_mirrored(Points(np.zeros((1, 3))))
