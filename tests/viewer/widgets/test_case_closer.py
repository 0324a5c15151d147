from __future__ import annotations

import dataclasses
import gc
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.layers._layer_actions import _duplicate_layer
from napari.layers._source import layer_source
from qtpy.QtWidgets import QMessageBox

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import Role, grid_arguments, is_of
from napari_ddmd.viewer.run_settings import RunRequest, Sampling
from tests.results import slice_result
from tests.viewer.conftest import add_case, add_plain_images
from tests.viewer.widgets.conftest import OpenPanel


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What the user says next; asking without an answer is an error."""
    left: list[bool] = []
    buttons = {True: QMessageBox.StandardButton.Yes, False: QMessageBox.StandardButton.No}
    monkeypatch.setattr(QMessageBox, "question", lambda *_: buttons[left.pop(0)])
    return left


def test_a_case_is_closed_and_asks_where_something_would_be_lost(
    open_panel: OpenPanel, case: Case, answers: list[bool]
) -> None:
    viewer, panel = open_panel(case)
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    panel.arrange(Arrangement.MODALITIES)
    lesion = panel.desk.results_of(case).lesion
    lesion.restore(np.ones(case.grid.shape, np.uint8), np.zeros(case.grid.shape, np.uint8), 0.5)
    answers.append(False)
    panel.case_box.close_button.click()
    assert panel.desk.case is case
    panel.save_button.mask_saved.emit(case, lesion.data.copy())
    lesion.layer.data[0, 0, 0] = 0  # edited since
    answers.append(False)
    panel.case_box.close_button.click()
    assert panel.desk.case is case
    assert not answers
    panel.save_button.mask_saved.emit(case, lesion.data.copy())
    add_case(viewer, other)
    panel.case_box.close_button.click()  # nothing of it is lost
    assert panel.desk.case is case
    assert not any(is_of(layer, other) for layer in viewer.layers)
    assert viewer.layers["flair"].visible
    panel.case_box.close_button.click()
    assert list(viewer.layers) == []
    assert panel.desk.case is None
    assert not panel.case_box.close_button.isEnabled()
    close_layers_of_no_case(viewer, panel, case)


def close_layers_of_no_case(viewer: Any, panel: Any, case: Case) -> None:
    """They go, and what was drawn on them stays."""
    add_plain_images(viewer, case)
    viewer.add_labels(np.zeros(case.grid.shape, np.uint8), name="drawn")
    panel.case_box.close_button.click()
    assert [layer.name for layer in viewer.layers] == ["drawn"]


def test_edits_of_a_mask_that_was_opened_or_copied_are_asked_for(
    open_panel: OpenPanel, case: Case, answers: list[bool]
) -> None:
    viewer, panel = open_panel(case)
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[3, 10:20, 10:20] = 1
    opened = viewer.add_labels(mask.copy(), name="Small_mask", **grid_arguments(case, Role.LESION))

    def asks() -> bool:
        answers[:] = [False]
        panel.case_box.close_button.click()
        assert panel.desk.case is case
        return not answers

    opened.paint((4, 15, 15), 1)
    assert asks()
    panel.save_button.mask_saved.emit(case, opened.data.copy())
    viewer.layers.selection.active = opened
    _duplicate_layer(viewer.layers)
    copy = viewer.layers["Small_mask copy"]
    copy.paint((5, 15, 15), 1)
    assert asks()
    copy.undo()
    answers.clear()
    panel.case_box.close_button.click()  # all is on disk
    assert panel.desk.case is None


def test_a_copy_of_a_lesion_that_was_not_saved_is_asked_for(
    open_panel: OpenPanel, case: Case, answers: list[bool]
) -> None:
    viewer, panel = open_panel(case)
    lesion = panel.desk.results_of(case).lesion
    lesion.restore(np.ones(case.grid.shape, np.uint8), np.zeros(case.grid.shape, np.uint8), 0.5)
    viewer.layers.selection.active = lesion.layer
    _duplicate_layer(viewer.layers)
    with lesion.editing("clearing") as data:
        data[:] = 0
    panel.save_button.mask_saved.emit(case, lesion.data.copy())
    answers.append(False)
    panel.case_box.close_button.click()  # what the lesion was is in the copy alone
    assert panel.desk.case is case
    panel.save_button.mask_saved.emit(case, viewer.layers["lesion copy"].data.copy())
    panel.case_box.close_button.click()
    assert panel.desk.case is None


def test_a_copy_of_a_layer_that_is_gone_is_asked_for(open_panel: OpenPanel, case: Case, answers: list[bool]) -> None:
    viewer, panel = open_panel(case)
    mask = np.ones(case.grid.shape, np.uint8)
    with layer_source(parent=Labels(mask)):
        copy = Labels(mask, **grid_arguments(case, Role.LESION))
    gc.collect()
    assert copy.source.parent() is None
    viewer.layers.append(copy)
    answers.append(False)
    panel.case_box.close_button.click()
    assert not answers
    assert panel.desk.case is case


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_lesion_that_was_removed_is_not_asked_for(
    open_panel: OpenPanel, case: Case, tiny_bundle: Bundle, answers: list[bool], is_saved: bool
) -> None:
    """Who has removed it wants it no more; one that has come back, or a copy of it, is asked for."""
    viewer, panel = open_panel(case)
    results = panel.desk.results_of(case)
    lesion = results.lesion
    results.begin()
    results.add(RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe, slice_result(case, 4))
    results.settle()
    if is_saved:
        panel.save_button.mask_saved.emit(case, lesion.data.copy())
    lesion.layer.paint((3, 10, 10), 1)
    viewer.layers.selection.active = lesion.layer
    _duplicate_layer(viewer.layers)
    viewer.layers.remove(lesion.layer)

    def asks() -> bool:
        answers[:] = [False]
        panel.case_box.close_button.click()
        assert panel.desk.case is case
        return not answers

    assert asks(), "what was painted is in the copy"
    viewer.layers.remove("lesion copy")
    lesion.ensure(0.5)
    assert asks(), "it came back with what was painted"
    viewer.layers.remove(lesion.layer)
    answers.clear()
    panel.case_box.close_button.click()
    assert panel.desk.case is None
