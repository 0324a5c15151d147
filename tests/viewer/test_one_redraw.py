from __future__ import annotations

import gc

import pytest
from napari.components import ViewerModel

from napari_ddmd.viewer.one_redraw import one_redraw


@pytest.fixture(scope="module", autouse=True)
def imports_are_spared() -> None:
    """Nothing is spared before these tests do it."""


@pytest.mark.parametrize(("removes", "is_kept_out"), [(False, True), (True, False)])
def test_what_is_there_is_kept_out_of_the_search_only_where_no_layer_goes(
    viewer: ViewerModel, removes: bool, is_kept_out: bool
) -> None:
    batches: list[str] = []
    viewer.layers.events.begin_batch.connect(lambda: batches.append("begin"))
    viewer.layers.events.end_batch.connect(lambda: batches.append("end"))
    with one_redraw(viewer, removes=removes):
        assert (gc.get_freeze_count() > 0) is is_kept_out
    assert batches == ["begin", "end"]
    assert gc.get_freeze_count() == 0
