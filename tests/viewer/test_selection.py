from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_ddmd.viewer.selection import selection_kept


def test_what_is_added_is_not_selected(viewer: ViewerModel) -> None:
    viewer.layers.selection.active = viewer.layers["t2"]
    with selection_kept(viewer.layers):
        viewer.layers.append(Image(np.zeros((8, 8)), name="new"))
    assert viewer.layers.selection.active is viewer.layers["t2"]


def test_what_others_add_is_selected_again(viewer: ViewerModel) -> None:
    with pytest.raises(ZeroDivisionError), selection_kept(viewer.layers):
        raise ZeroDivisionError
    viewer.layers.append(Image(np.zeros((8, 8)), name="new"))
    assert viewer.layers.selection.active is viewer.layers["new"]
