from __future__ import annotations

import gc
import weakref

from napari.components import ViewerModel
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_ddmd.case import Case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.open_results import results_in
from tests.viewer.conftest import add_case


def test_the_next_desk_takes_over_what_the_one_before_has_left(viewer: ViewerModel, case: Case, desk: Desk) -> None:
    results = desk.results_of(case)
    results.lesion.ensure(0.5)
    desk.deleteLater()
    again = Desk(viewer)
    again.set_case(case)
    assert again.results is results
    heard: list[bool] = []
    again.history_changed.connect(lambda: heard.append(True))
    assert results.lesion.layer is not None
    results.lesion.layer.paint((3, 10, 10), 1)
    assert heard
    assert not Desk(ViewerModel()).knows(case)
    again.forget_all_but(())
    assert not results_in(viewer)


def test_the_results_go_with_the_viewer(case: Case, qapp: QApplication) -> None:
    viewer = ViewerModel()
    add_case(viewer, case)
    desk = Desk(viewer)
    desk.results_of(case).lesion.ensure(0.5)
    kept = weakref.ref(desk.results_of(case))
    desk.deleteLater()
    del desk, viewer
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()
    assert kept() is None
