"""Cases whose images come and go, or are exchanged, while their results stay."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from weakref import ref

import numpy as np
import pytest
from napari.layers import Image
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QMessageBox

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.results import SliceResult
from napari_ddmd.viewer.case_choice import make_case
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.widgets import case_box
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from tests.results import slice_result
from tests.viewer.conftest import GatedSegment, add_case, add_plain_images
from tests.viewer.widgets.conftest import OpenPanel

Window = tuple[Any, SegmentationPanel]


def run(panel: SegmentationPanel, gated: GatedSegment, qtbot: QtBot) -> None:
    assert panel.desk.case is not None
    gated.allow(len(panel.desk.case.brain_slices))
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run()


def edit(panel: SegmentationPanel) -> None:
    assert panel.results is not None
    with panel.results.lesion.editing("by a test") as data:
        data[5, :3, :3] = 1


def lesions(viewer: Any) -> list[tuple[Case, bool]]:
    """The case of each lesion's layer, and whether it is visible."""
    tags = [(layer, tag_of(layer)) for layer in viewer.layers]
    return [(tag.case, layer.visible) for layer, tag in tags if tag is not None and tag.role == Role.LESION]


def test_results_wait_for_images_that_are_opened_again(window: Window, gated: GatedSegment, qtbot: QtBot) -> None:
    viewer, panel = window
    run(panel, gated, qtbot)
    edit(panel)
    case, results = panel.desk.case, panel.results
    assert case is not None
    assert results is not None
    for modality in MODALITIES:
        viewer.layers.remove(modality)
    assert panel.desk.case is None
    for data, arguments, _kind in case_layers(case)[: len(MODALITIES)]:
        viewer.add_layer(Image(data, **arguments))
    assert panel.desk.case is case
    assert panel.results is results
    assert results.lesion.edited_slices == [5]
    names = [layer.name for layer in viewer.layers]
    panel.run()
    assert panel.run_bar.status.text().startswith("These slices are done")
    assert [layer.name for layer in viewer.layers] == names, "nothing is there twice"


def test_what_was_found_with_another_image_is_kept_hidden_and_closed_with_the_case(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = open_panel(case)
    grid = case.grid
    again = viewer.add_image(case.images[2] * 1.5, name="repeated", scale=grid.spacing, translate=grid.translate)
    own, chosen = viewer.layers["t2"], panel.case_box.modalities["t2"]
    run(panel, gated, qtbot)
    chosen.value = again
    made = panel.desk.case
    assert made is not None
    assert made is not case
    assert lesions(viewer) == [(case, False)]
    run(panel, gated, qtbot)
    edit(panel)
    assert sorted(visible for _, visible in lesions(viewer)) == [False, True]
    for image, shown in ((own, case), (again, made), (own, case)):
        chosen.value = image
        assert panel.desk.case is shown
        assert {one for one, visible in lesions(viewer) if visible} == {shown}
        assert panel.results is not None
        assert panel.results.lesion.edited_slices == ([5] if shown is made else [])
        assert all(viewer.layers[name].visible == (name == "flair") for name in MODALITIES)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    panel.case_box.close_button.click()
    assert [layer.name for layer in viewer.layers] == ["repeated"]
    assert not panel.desk.knows(made)


def test_a_case_is_not_taken_for_one_of_an_image_that_is_gone(open_panel: OpenPanel, case: Case) -> None:
    viewer, panel = open_panel(case)
    box = panel.case_box
    for factor in (2, 3):
        image = viewer.add_image(case.images[2] * factor, name="other")
        image.scale, image.translate = case.grid.spacing, case.grid.translate
        box.modalities["t2"].value = image
        made = panel.desk.case
        assert made is not None
        np.testing.assert_array_equal(made.images[2], case.images[2] * factor)
        viewer.layers.remove(image)
        del image
        gc.collect()
        assert panel.desk.case is case
        assert not any(known.is_stale for known in box._made.values())


def test_closing_makes_no_case_anew(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = open_panel()
    add_plain_images(viewer, case)
    qtbot.waitUntil(lambda: panel.run_bar.button.isEnabled(), timeout=10_000)
    run(panel, gated, qtbot)
    made = ref(panel.desk.case)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    monkeypatch.setattr(case_box, "make_case", _fail_where_there_are_four)
    panel.case_box.close_button.click()
    assert list(viewer.layers) == []
    assert panel.case_box.made is None
    gated.requests.clear()
    qtbot.waitUntil(lambda: gc.collect() >= 0 and made() is None, timeout=10_000)


def _fail_where_there_are_four(layers: Mapping[str, Image | None], **options: bool) -> Case:
    assert None in layers.values(), "made anew"
    return make_case(layers, **options)


def test_other_cases_are_read_while_a_run_is_on_and_closing_its_case_stops_it(
    open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    viewer, panel = open_panel(case, other)
    assert panel.desk.case is other
    panel.run()
    gated.allow(1)
    qtbot.waitUntil(lambda: bool(lesions(viewer)), timeout=10_000)
    box = panel.case_box
    assert box.case_list.isEnabled()
    assert not any(combo.native.isEnabled() for combo in box.modalities.values())
    box.choose(case)
    assert panel.desk.case is case
    assert panel.results is None
    gated.allow(1)
    qtbot.waitUntil(lambda: panel.run_bar.status.text().startswith("Other: 2 of "), timeout=10_000)
    assert lesions(viewer) == [(other, False)], "what comes in of it stays out of sight"
    box.choose(other)
    assert lesions(viewer) == [(other, True)]
    monkeypatch.setattr(QMessageBox, "question", lambda *_arguments: QMessageBox.StandardButton.Yes)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        box.close_button.click()
    assert gated.stopped.wait(5)
    assert panel.desk.case is case
    assert lesions(viewer) == []
    assert all(combo.native.isEnabled() for combo in box.modalities.values())


@pytest.mark.torture
def test_what_is_said_below_run_is_of_the_case_in_hand(
    window: Window, case: Case, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    run(panel, gated, qtbot)
    assert panel.run_bar.status.text().startswith("Done")
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    assert panel.desk.case is other
    assert panel.run_bar.status.text() == ""
    panel.run()
    gated.allow(1)
    qtbot.waitUntil(lambda: panel.run_bar.status.text().startswith("1 of "), timeout=10_000)
    add_case(viewer, dataclasses.replace(case, name="Third", images=case.images * 3))
    gated.allow(1)
    qtbot.waitUntil(lambda: panel.run_bar.status.text().startswith("Other: 2 of "), timeout=10_000)
    gated.allow(100)
    qtbot.waitUntil(lambda: panel.run_bar.status.text().startswith("Other: Done"), timeout=10_000)


def test_a_comparison_goes_with_the_panel(open_panel: OpenPanel, case: Case, gated: GatedSegment, qtbot: QtBot) -> None:
    assert case.mask is not None
    viewer, panel = open_panel(case)
    run(panel, gated, qtbot)
    panel.lesion_tab.compare_box.tick.setChecked(True)
    qtbot.waitUntil(lambda: Role.COMPARISON.value in viewer.layers, timeout=10_000)
    viewer.window.remove_dock_widget(panel)
    assert Role.COMPARISON.value not in viewer.layers
    assert viewer.layers["lesion"].visible


def test_the_key_for_the_window_gives_a_map_that_of_its_own_run(
    window: Window, gated: GatedSegment, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = window
    run(panel, gated, qtbot)
    inter = viewer.layers[Role.INTER.value]
    inter.visible, viewer.layers.selection.active = True, inter
    narrow = tuple(inter.contrast_limits)
    press = SimpleNamespace(pos=(0, 0), type="mouse_press")
    drag = panel.layout_part.window_level._follow(inter, press)
    next(drag)
    press.pos, press.type = (50, 10), "mouse_move"
    next(drag)
    press.type = "mouse_release"
    assert list(drag) == []
    assert tuple(inter.contrast_limits) != narrow
    panel.layout_part.window_level.reset()
    assert tuple(inter.contrast_limits) == pytest.approx(narrow)

    monkeypatch.setattr("tests.viewer.conftest.slice_result", _of_ten_times_the_discrepancy)
    panel.sampling_box.seed.setValue(7)
    run(panel, gated, qtbot)
    wide = tuple(inter.contrast_limits)
    assert wide[1] > 5 * narrow[1]
    inter.contrast_limits = narrow
    panel.layout_part.window_level.reset()
    assert tuple(inter.contrast_limits) == pytest.approx(wide)
    assert inter.contrast_limits_range[1] >= wide[1]


def _of_ten_times_the_discrepancy(case: Case, index: int, **options: Any) -> SliceResult:
    result = slice_result(case, index, **options)
    assert result.inter is not None
    return dataclasses.replace(result, inter=10 * result.inter)
