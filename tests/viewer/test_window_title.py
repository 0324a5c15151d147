from __future__ import annotations

import dataclasses

from napari.components import ViewerModel

from napari_ddmd.case import Case
from napari_ddmd.viewer.window_title import WindowTitle


def test_the_case_in_hand_stands_before_the_window_s_own_title(case: Case) -> None:
    viewer = ViewerModel(title="napari")
    title = WindowTitle(viewer)
    title.name(case)
    assert viewer.title == f"{case.name} - napari"
    title.name(dataclasses.replace(case, name="other"))
    assert viewer.title == "other - napari"
    title.name(None)
    assert viewer.title == "napari"


def test_a_title_that_somebody_else_gives_stays(case: Case) -> None:
    viewer = ViewerModel(title="napari")
    title = WindowTitle(viewer)
    title.name(case)
    viewer.title = "my study"
    title.name(case)
    assert viewer.title == f"{case.name} - my study"
    title.name(None)
    assert viewer.title == "my study"
