from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QMenu

from napari_ddmd.case import Case
from napari_ddmd.lesions import find_lesions
from napari_ddmd.viewer.evidence import Evidence
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.measure import Measurement
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets import measuring
from napari_ddmd.viewer.widgets.lesion_box import LesionBox


@pytest.fixture
def box(viewer: ViewerModel, case: Case, qtbot: QtBot) -> LesionBox:
    box = LesionBox(viewer, ViewerLinks())
    qtbot.addWidget(box)
    box.set_case(case, Evidence())
    return box


def add_mask(viewer: ViewerModel, case: Case, name: str = "lesion") -> Any:
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[2:4, 5:9, 5:9] = 1
    mask[6, 20, 20] = 1
    return viewer.add_labels(mask, name=name, **grid_arguments(case, Role.LESION))


def cells(box: LesionBox) -> list[list[str]]:
    table = box.table
    rows = []
    for row in range(table.rowCount()):
        items = [table.item(row, column) for column in range(table.columnCount())]
        rows.append([item.text() for item in items if item is not None])
    return rows


def test_each_lesion_has_a_row(viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot) -> None:
    add_mask(viewer, case)
    with qtbot.waitSignal(box.measured, timeout=10_000):
        pass
    # Voxels of 2 mm × 2 mm × 3 mm.
    assert "2 lesions, 0.40 mL" in box.total.text()
    assert cells(box) == [["1", "0.38", "10", "2-3", *[""] * 6], ["2", "0.01", "2", "6", *[""] * 6]]


def test_a_button_chooses_columns_once_there_are_rows(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[str]] = []
    monkeypatch.setattr(QMenu, "exec", lambda menu, _place: opened.append([one.text() for one in menu.actions()]))
    assert box.columns_button.isHidden()
    add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    assert not box.columns_button.isHidden()
    box.columns_button.click()
    assert opened[0][:2] == ["No.", "mL"]
    assert {"T1", "T1ce", "T2", "FLAIR"} <= set(opened[0])
    viewer.layers.clear()
    qtbot.waitUntil(box.columns_button.isHidden, timeout=10_000)


def test_a_step_goes_to_the_only_lesion_each_time(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    add_mask(viewer, case).data[6] = 0
    qtbot.waitUntil(lambda: len(cells(box)) == 1, timeout=10_000)
    gone_to: list[tuple[float, ...]] = []
    box.lesion_chosen.connect(gone_to.append)
    for way in (1, 1, -1):
        box.step(way)
    assert gone_to == [(2.5, 6.5, 6.5)] * 3


def test_after_a_lesion_is_deleted_its_neighbours_are_the_next_ones(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    layer = add_mask(viewer, case)
    for size, column in enumerate((3, 7, 11), start=2):
        layer.data[0, 20, column : column + size] = 1
    layer.refresh()
    qtbot.waitUntil(lambda: len(cells(box)) == 5, timeout=10_000)
    for way, reached in ((1, "4"), (-1, "2")):
        box.table.setCurrentCell(2, 0)
        lesion = box.table.lesion
        assert lesion is not None
        assert lesion.label == 3
        assert box.measurement is not None
        voxels = box.measurement.voxels_of(3)
        layer.data[voxels] = 0
        layer.refresh()
        qtbot.waitUntil(lambda: len(cells(box)) == 4, timeout=10_000)
        assert box.table.lesion is None
        box.step(way)
        assert cells(box)[box.table.currentRow()][0] == reached
        layer.data[voxels] = 1
        layer.refresh()
        qtbot.waitUntil(lambda: len(cells(box)) == 5, timeout=10_000)


def test_paint_and_undo_are_measured(viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot) -> None:
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    layer.paint((6, 10, 10), 1)
    qtbot.waitUntil(lambda: len(cells(box)) == 3, timeout=10_000)
    layer.undo()
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)


def test_redrawing_alone_measures_nothing(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    asked: list[object] = []
    monkeypatch.setattr(measuring, "measure", lambda *_, **__: asked.append(1))
    layer.refresh()
    qtbot.wait(700)
    assert asked == []


def test_another_probability_is_shown_though_the_mask_stays(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    add_mask(viewer, case)
    qtbot.waitUntil(lambda: [row[4] for row in cells(box)] == ["", ""], timeout=10_000)
    probability = np.full(case.grid.shape, 0.5, np.float32)
    box.set_case(case, Evidence(probability))
    qtbot.waitUntil(lambda: [row[4] for row in cells(box)] == ["0.50", "0.50"], timeout=10_000)
    probability[6] = 0.75
    box.evidence_changed()
    qtbot.waitUntil(lambda: [row[4] for row in cells(box)] == ["0.50", "0.75"], timeout=10_000)


def test_a_mask_that_keeps_changing_is_measured_all_the_same(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    begun: list[int] = []

    def slow(mask: Any, *_: object, **__: object) -> Measurement:
        begun.append(int(mask.sum()))
        gate.wait(5)
        return Measurement(float(mask.sum()), 1, [])

    monkeypatch.setattr(measuring, "measure", slow)
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(begun) == 1, timeout=5000)
    layer.data[0, 0, 0] = 1
    layer.refresh()
    qtbot.wait(600)
    # The first one is still being measured; a second one must not push it aside.
    assert begun == [33]
    with qtbot.waitSignal(box.measured, timeout=5000):
        gate.set()
    qtbot.waitUntil(lambda: begun == [33, 34], timeout=5000)


def test_a_mask_is_not_looked_at_while_one_is_measured_and_rested_after(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    looked: list[int] = []

    def look(mask: Any) -> int:
        looked.append(1)
        return int(mask.sum())

    def slow(mask: Any, *_: object, **__: object) -> Measurement:
        gate.wait(5)
        return Measurement(float(mask.sum()), 1, [])

    monkeypatch.setattr(measuring, "measure", slow)
    monkeypatch.setattr(measuring, "fingerprint", look)
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(looked) == 1, timeout=5000)
    for column in range(20):
        layer.paint((6, 10, column), 1)
        qtbot.wait(5)
    assert len(looked) == 1
    with qtbot.waitSignal(box.measured, timeout=5000):
        gate.set()
    assert box.measuring.clock.interval() == pytest.approx(400, abs=20)  # it took longer than a tenth of a second
    qtbot.waitUntil(lambda: len(looked) == 2, timeout=5000)


def test_figures_of_another_mask_are_not_shown(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = {33: threading.Event(), 1: threading.Event()}

    def slow(mask: Any, *_: object, **__: object) -> Measurement:
        gates[int(mask.sum())].wait(5)
        return Measurement(float(mask.sum()), 1, [])

    monkeypatch.setattr(measuring, "measure", slow)
    shown: list[float] = []
    box.measured.connect(lambda: shown.append(0.0 if box.measurement is None else box.measurement.total_ml))
    add_mask(viewer, case, "large")
    qtbot.waitUntil(lambda: box.measuring.is_under_way, timeout=5000)
    small = np.zeros(case.grid.shape, np.uint8)
    small[0, 0, 0] = 1
    viewer.add_labels(small, name="small", **grid_arguments(case, Role.LESION))
    box.mask_list.setCurrentText("small")
    gates[33].set()
    qtbot.wait(300)
    assert 33 not in shown
    gates[1].set()
    qtbot.waitUntil(lambda: shown[-1:] == [1.0], timeout=5000)
    assert 33 not in shown


def test_a_measurement_that_fails_is_told_once_and_leaves_no_old_figures(
    viewer: ViewerModel,
    case: Case,
    box: LesionBox,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
) -> None:
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)

    def fail(*_: object, **__: object) -> Measurement:
        raise MemoryError("no memory left")

    with monkeypatch.context() as broken:
        broken.setattr(measuring, "measure", fail)
        with qtbot.waitSignal(box.measured, timeout=10_000):
            layer.paint((6, 10, 10), 1)
        assert box.measurement is None
        assert cells(box) == []
        assert box.total.isHidden()
        # The next stroke is tried again, and its failure is no news.
        with qtbot.waitSignal(box.measured, timeout=10_000):
            layer.undo()
        assert [note.severity for note in notifications] == ["error"]
        assert "no memory left" in notifications[0].message
    layer.paint((6, 10, 10), 1)
    qtbot.waitUntil(lambda: len(cells(box)) == 3, timeout=10_000)


def test_another_threshold_numbers_lesions_by_size_and_lets_go_of_the_one_that_was_chosen(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    layer.data[5:7, 12:24, 12:24] = 1
    layer.events.labels_update(data=layer.data, offset=None)
    qtbot.waitUntil(lambda: box.total.text().startswith("<b>2 lesions, 3."), timeout=10_000)
    assert [row[:2] for row in cells(box)] == [["1", "0.38"], ["2", "3.46"]], "edits change no number"
    box.table.setCurrentCell(1, 0)
    box.follow_threshold()
    qtbot.waitUntil(lambda: [row[:2] for row in cells(box)] == [["1", "3.46"], ["2", "0.38"]], timeout=10_000)
    assert box.table.lesion is None


def test_a_click_goes_to_the_middle_of_the_lesion(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    with qtbot.waitSignal(box.lesion_chosen) as signal:
        box.table.setCurrentCell(1, 2)
    assert signal.args == [(6.0, 20.0, 20.0)]
    with qtbot.waitSignal(box.lesion_chosen) as signal:
        box.table.cellClicked.emit(1, 0)
    assert signal.args == [(6.0, 20.0, 20.0)]


def test_the_newest_mask_is_measured_and_others_can_be_chosen(viewer: ViewerModel, case: Case, box: LesionBox) -> None:
    assert box.layer is None
    first = add_mask(viewer, case, "first")
    second = add_mask(viewer, case, "second")
    assert box.layer is second
    names = [box.mask_list.itemText(index) for index in range(box.mask_list.count())]
    assert names == ["second", "first", "expert mask"]
    box.mask_list.setCurrentIndex(1)
    assert box.layer is first
    first.name = "renamed"
    assert box.layer is first
    viewer.layers.remove(first)
    assert box.layer is second


def test_labels_that_somebody_drew_on_the_case_count_too(viewer: ViewerModel, case: Case, box: LesionBox) -> None:
    drawn = viewer.add_labels(np.zeros(case.grid.shape, int))
    assert box.layer is drawn
    viewer.add_labels(np.zeros((3, 4, 5), int))
    assert box.mask_list.count() == 2


def test_the_expert_is_measured_only_when_asked_for(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    assert box.layer is None
    box.mask_list.setCurrentIndex(0)
    assert box.layer is viewer.layers["expert mask"]
    qtbot.waitUntil(lambda: box.measurement is not None and box.measurement.count == 1, timeout=10_000)
    box.set_case(None, Evidence())
    qtbot.waitUntil(lambda: box.measurement is None, timeout=5000)
    assert not box.total.isVisible()


def test_coverage_is_told_only_where_something_is_missing(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    box.set_coverage(3, 6)
    assert box.total.text().endswith("in 3 of 6 slices")
    box.set_coverage(6, 6)
    assert box.total.text().endswith("mL</b>")


def test_an_empty_mask_of_which_nothing_is_segmented_is_no_finding(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    box.set_coverage(0, 6)
    assert "2 lesions" in box.summary, "what was painted counts"
    layer.data[:] = 0
    layer.refresh()
    qtbot.waitUntil(lambda: box.measurement is not None and box.measurement.count == 0, timeout=10_000)
    assert box.summary == "No slice is segmented yet"
    assert box.total.text() == "<b>No slice is segmented yet</b>"
    box.set_coverage(1, 6)
    assert box.summary == "No lesion in 1 of 6 slices"


def test_a_lesion_keeps_its_number_while_it_is_edited_and_a_run_numbers_anew(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    box.table.setCurrentCell(1, 0)
    layer.data[4:8, 15:28, 10:24] = 1  # the second becomes the largest
    layer.refresh()
    qtbot.waitUntil(lambda: cells(box)[1][3] == "4-7", timeout=10_000)
    assert [row[0] for row in cells(box)] == ["1", "2"]
    assert box.table.lesion is not None
    assert box.table.lesion.label == 2
    box.evidence_changed()
    qtbot.waitUntil(lambda: not (box.measuring.is_under_way or box.measuring.clock.isActive()), timeout=10_000)
    assert cells(box)[1][3] == "4-7"
    box.number_anew(layer)
    qtbot.waitUntil(lambda: cells(box)[0][3] == "4-7", timeout=10_000)


def test_a_lesion_is_asked_to_be_deleted_by_its_voxels(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    assert not box.delete_button.isEnabled()
    box.table.setCurrentCell(1, 0)
    assert box.delete_button.isEnabled()
    with qtbot.waitSignal(box.delete_wanted) as signal:
        box.delete_button.click()
    place, number = signal.args
    assert number == 2
    assert np.argwhere(place).tolist() == [[6, 20, 20]]


def test_the_experts_lesions_are_not_to_be_deleted(case: Case, box: LesionBox, qtbot: QtBot) -> None:
    box.mask_list.setCurrentIndex(0)
    qtbot.waitUntil(lambda: len(cells(box)) == 1, timeout=10_000)
    assert box.delete_button.isHidden()


def test_the_numbers_of_the_table_outlast_layers_that_come_and_go(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    """What is saved asks for them, and would number by size without them."""
    layer = add_mask(viewer, case)
    qtbot.waitUntil(lambda: len(cells(box)) == 2, timeout=10_000)
    layer.data[2:4, 5:9, 5:9] = 0
    layer.data[2, 5, 5] = layer.data[6, 20:22, 20] = 1
    layer.refresh()
    qtbot.waitUntil(lambda: {(row[0], row[3]) for row in cells(box)} == {("1", "2"), ("2", "6")}, timeout=10_000)
    viewer.layers["t1"].name = "first"
    viewer.layers.remove("t2")
    with qtbot.waitSignal(box.measured, timeout=10_000):
        pass
    numbering = box.numbering()
    assert numbering is not None
    labels = find_lesions(layer.data, case.spacing)[0]
    numbers = numbering.number(labels)[labels]
    assert (numbers[2, 5, 5], numbers[6, 20, 20]) == (1, 2)


def test_the_same_labels_measure_something_else_in_another_case(
    viewer: ViewerModel, case: Case, box: LesionBox, qtbot: QtBot
) -> None:
    drawn = np.zeros(case.grid.shape, np.uint8)
    drawn[2:4, 5:9, 5:9] = 1
    viewer.add_labels(drawn)
    qtbot.waitUntil(lambda: box.measurement is not None, timeout=10_000)
    before = box.measurement.total_ml  # type: ignore[union-attr]
    affine = case.grid.affine.copy()
    affine[:3, :3] *= 2
    larger = dataclasses.replace(case, grid=dataclasses.replace(case.grid, affine=affine))
    assert larger.spacing == tuple(2 * edge for edge in case.spacing)
    box.set_case(larger, Evidence())
    qtbot.waitUntil(lambda: box.measurement.total_ml == pytest.approx(8 * before), timeout=10_000)  # type: ignore[union-attr]
