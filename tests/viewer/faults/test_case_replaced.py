"""Another case, the same one again, or another model, while a run is on."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.navigation import go_to_slice
from tests.viewer.conftest import GatedSegment, add_case
from tests.viewer.faults.conftest import (
    SLICES,
    Window,
    assert_consistent,
    assert_idle,
    assert_next_run_works,
    begin,
    choose,
    wait_for_end,
)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("slices", [0, 2])
def test_another_case_leaves_the_run_to_its_own(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification], case: Case, slices: int
) -> None:
    viewer, panel = window
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    choose(panel)
    begin(panel, gated, qtbot, slices=slices)
    add_case(viewer, other)
    assert panel.desk.case is other
    go_to_slice(viewer, other, 0)
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert viewer.dims.point[0] == other.grid.translate[0], "nobody is torn away from what he looks at"
    assert panel.run_bar.status.text() == f"Small_001: Done: {len(SLICES)} slices."
    assert_idle(panel)
    assert panel.results is None
    assert_next_run_works(panel, gated, qtbot)
    panel.case_box.case_list.setCurrentIndex(0)
    assert panel.desk.case is case
    assert_consistent(panel, SLICES)
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_the_case_that_is_open_is_not_opened_again(
    window: Window, gated: GatedSegment, qtbot: QtBot, case: Case, small_case_folder: Path
) -> None:
    viewer, panel = window
    choose(panel)
    begin(panel, gated, qtbot, slices=2)
    opened: list[object] = []
    panel.case_box._opener._reader.done.connect(opened.append)
    panel.case_box.open_case(small_case_folder)
    qtbot.waitUntil(lambda: bool(opened), timeout=20_000)
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert panel.desk.case is case
    assert len([layer for layer in viewer.layers if layer.name.startswith("t1ce")]) == 1
    assert_consistent(panel, SLICES)
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_a_case_that_is_closed_and_opened_again_is_another_one(
    window: Window, gated: GatedSegment, qtbot: QtBot, case: Case, small_case_folder: Path
) -> None:
    viewer, panel = window
    choose(panel)
    begin(panel, gated, qtbot, slices=2)
    viewer.layers.clear()
    panel.case_box.open_case(small_case_folder)
    qtbot.waitUntil(lambda: panel.desk.case is not None, timeout=20_000)
    assert panel.desk.case is not case
    wait_for_end(panel, qtbot)
    assert_idle(panel)
    assert panel.results is None
    assert not panel.desk.knows(case)
    assert_next_run_works(panel, gated, qtbot)
    owners = [tag.case for layer in viewer.layers if (tag := tag_of(layer)) is not None and tag.role == "lesion"]
    assert owners == [panel.desk.case]


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_another_model_counts_from_the_next_run_on(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    tiny_model_folder: Path,
    tmp_path: Path,
) -> None:
    _viewer, panel = window
    model = panel.desk.bundle.sha256
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model_folder, broken)
    (broken / "weights.safetensors").write_bytes(b"x")
    choose(panel)
    begin(panel, gated, qtbot, slices=2)
    panel.model_box.choose_folder(broken)
    qtbot.waitUntil(lambda: "is damaged" in panel.model_box.about.text(), timeout=10_000)
    assert not panel.sampling_box.isEnabled()
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert panel.run_bar.status.text() == "Choose a model."
    assert_consistent(panel, SLICES)
    assert_idle(panel)

    panel.model_box.choose_folder(tiny_model_folder)
    qtbot.waitUntil(lambda: panel.desk.bundle is not None, timeout=10_000)
    panel.sampling_box.seed.setValue(50)
    begin(panel, gated, qtbot, slices=1)
    panel.model_box.choose_folder(tiny_model_folder)
    qtbot.waitUntil(lambda: panel.desk.bundle is not None, timeout=10_000)
    assert not panel.sampling_box.isEnabled()
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert panel.run_bar.status.text().split(" The ")[0] == f"Done: {len(SLICES)} slices."
    assert panel.results is not None
    assert panel.results.recipe is not None
    assert panel.results.recipe.model_sha256 == model
    assert_next_run_works(panel, gated, qtbot)
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_results_of_the_case_before_are_not_drawn_into_the_new_one(
    window: Window, gated: GatedSegment, qtbot: QtBot, case: Case
) -> None:
    viewer, panel = window
    other = dataclasses.replace(case, name="Other", images=case.images * 2, mask=np.zeros_like(case.mask))
    choose(panel)
    begin(panel, gated, qtbot, slices=1)
    add_case(viewer, other)
    viewer.layers.remove("flair")
    for layer in [layer for layer in viewer.layers if (tag := tag_of(layer)) is not None and tag.case is case]:
        viewer.layers.remove(layer)
    wait_for_end(panel, qtbot)
    assert not panel.desk.knows(case)
    owners = {tag.case for layer in viewer.layers if (tag := tag_of(layer)) is not None}
    assert owners == {other}
    assert panel.run_bar.status.text().startswith("Small_001: Cancelled: 1 of 5 slices")
    assert_idle(panel)
