from __future__ import annotations

import dataclasses

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication

from napari_ddmd.lesions import Lesion
from napari_ddmd.viewer.widgets.lesion_table import COLUMNS, LesionTable


def lesion(label: int, volume: float, slices: tuple[int, int] = (3, 5)) -> Lesion:
    return Lesion(label, volume, slices, (4.0, 10.0, 12.0), None, longest_diameter_mm=volume, diameter_slice=4)


@pytest.fixture
def table(qtbot: QtBot) -> LesionTable:
    table = LesionTable()
    qtbot.addWidget(table)
    table.show_lesions([lesion(1, 100.0, (20, 30)), lesion(2, 20.5, (100, 101)), lesion(3, 3.0, (9, 9))])
    return table


def column(table: LesionTable, place: int) -> list[str]:
    items = [table.item(row, place) for row in range(table.rowCount())]
    return [item.text() for item in items if item is not None]


@pytest.mark.parametrize(
    ("place", "rising"),
    [(0, ["1", "2", "3"]), (1, ["3.00", "20.5", "100.0"]), (2, ["3", "20", "100"]), (3, ["9", "20-30", "100-101"])],
)
def test_numbers_sort_as_numbers(table: LesionTable, place: int, rising: list[str]) -> None:
    table.sortByColumn(place, Qt.SortOrder.AscendingOrder)
    assert column(table, place) == rising
    table.sortByColumn(place, Qt.SortOrder.DescendingOrder)
    assert column(table, place) == rising[::-1]


def test_the_order_stays_when_the_lesions_change_and_the_choice_is_what_it_is_told_to_be(
    table: LesionTable, qtbot: QtBot
) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    table.setCurrentCell(2, 0)
    with qtbot.assertNotEmitted(table.lesion_chosen):
        table.show_lesions([lesion(1, 1.0), lesion(2, 20.5), lesion(3, 3.0)], 1)
    assert column(table, 0) == ["1", "3", "2"]
    assert table.lesion == lesion(1, 1.0)
    table.show_lesions([lesion(2, 20.5)], 1)
    assert table.lesion is None
    table.show_lesions([lesion(2, 20.5)], 2)
    assert table.lesion == lesion(2, 20.5)
    table.show_lesions([lesion(2, 20.5)])
    assert table.lesion is None


def test_a_click_tells_the_lesion_in_whatever_order(table: LesionTable, qtbot: QtBot) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    with qtbot.waitSignal(table.lesion_chosen) as signal:
        table.cellClicked.emit(0, 1)
    assert signal.args == [lesion(3, 3.0, (9, 9))]


def test_the_delete_key_asks_for_the_current_lesion(table: LesionTable, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(table.delete_wanted):
        qtbot.keyClick(table, Qt.Key.Key_Delete)
    table.setCurrentCell(1, 0)
    with qtbot.waitSignal(table.delete_wanted) as signal:
        qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert signal.args == [lesion(2, 20.5, (100, 101))]


@pytest.mark.parametrize("text", ["n", "N", ".", ",", "h", "w", "3", " "])
def test_letters_are_left_to_the_window(table: LesionTable, text: str) -> None:
    table.setCurrentCell(1, 0)
    press = QKeyEvent(QEvent.Type.KeyPress, 0, Qt.KeyboardModifier.NoModifier, text)
    table.keyPressEvent(press)
    assert not press.isAccepted()


def test_up_and_down_are_the_table_s_left_and_right_the_window_s(table: LesionTable, qtbot: QtBot) -> None:
    table.setCurrentCell(1, 0)
    with qtbot.waitSignal(table.lesion_chosen):
        qtbot.keyClick(table, Qt.Key.Key_Down)
    assert table.currentRow() == 2
    with qtbot.assertNotEmitted(table.lesion_chosen):
        for key in (Qt.Key.Key_Right, Qt.Key.Key_Left):
            press = QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier)
            table.keyPressEvent(press)
            assert not press.isAccepted()
        qtbot.keyClick(table, Qt.Key.Key_End)
    assert table.currentRow() == 2


def test_the_table_is_copied_as_it_is_shown(table: LesionTable, qtbot: QtBot) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    lines = [line.split("\t") for line in clipboard.text().split("\n")]
    assert lines[0] == ["No.", "mL", "⌀ mm", "Slices"]
    assert [line[0] for line in lines[1:]] == column(table, 0)
    assert [line[1] for line in lines[1:]] == column(table, 1)
    assert {len(line) for line in lines} == {4}


def test_columns_without_figures_are_hidden(table: LesionTable) -> None:
    titles = [column.title for column in COLUMNS]
    assert [title for place, title in enumerate(titles) if not table.isColumnHidden(place)] == titles[:4]
    scores = {"t1": 0.1, "t1ce": 0.2, "t2": 0.3, "flair": 0.4}
    full = dataclasses.replace(lesion(1, 2.0), mean_probability=0.5, mean_uncertainty=0.25, modality_scores=scores)
    table.show_lesions([full])
    usual = [column.title for column in COLUMNS if column.is_usual]
    assert [title for place, title in enumerate(titles) if not table.isColumnHidden(place)] == usual
    assert [column(table, place)[0] for place in range(4, 10)] == ["0.50", "0.25", "0.100", "0.200", "0.300", "0.400"]


def test_each_column_says_what_it_is(table: LesionTable) -> None:
    for place in range(table.columnCount()):
        head = table.horizontalHeaderItem(place)
        assert head is not None
        assert head.toolTip()


def full(label: int) -> Lesion:
    scores = {"t1": 0.1, "t1ce": 0.2, "t2": 0.3, "flair": 0.4}
    return dataclasses.replace(
        lesion(label, 123.4, (100, 101)), mean_probability=0.5, mean_uncertainty=0.25, modality_scores=scores
    )


def needed(table: LesionTable) -> int:
    return sum(table.sizeHintForColumn(place) for place in range(len(COLUMNS)) if not table.isColumnHidden(place))


@pytest.mark.parametrize("width", [330, 420, 700])
def test_the_columns_share_the_width(table: LesionTable, qtbot: QtBot, width: int) -> None:
    table.show_lesions([full(1), full(2)])
    table.setMinimumWidth(width)
    table.resize(width, table.height())
    table.show()
    qtbot.waitUntil(lambda: table.width() == width)
    head, view = table.horizontalHeader(), table.viewport()
    assert head is not None
    assert view is not None
    assert head.length() == view.width()
    for place in range(len(COLUMNS)):
        if not table.isColumnHidden(place):
            assert table.columnWidth(place) >= table.sizeHintForColumn(place)


def test_columns_are_chosen_in_a_menu_and_all_figures_are_in_the_tip(table: LesionTable) -> None:
    table.show_lesions([full(1)])
    item = table.item(0, 0)
    assert item is not None
    assert "T1ce 0.200" in item.toolTip()
    flair = [column.title for column in COLUMNS].index("FLAIR")
    actions = table.columns_menu().actions()
    assert [action.text() for action in actions] == [*(column.title for column in COLUMNS), "", "Copy the table"]
    assert not actions[0].isEnabled()
    assert table.isColumnHidden(flair)
    actions[flair].trigger()
    assert not table.isColumnHidden(flair)
    # The choice outlives another measurement.
    table.show_lesions([full(1), full(2)])
    assert not table.isColumnHidden(flair)
    table.columns_menu().actions()[flair].trigger()
    assert table.isColumnHidden(flair)


def test_columns_without_figures_cannot_be_chosen(table: LesionTable) -> None:
    enabled = [action.text() for action in table.columns_menu().actions() if action.isEnabled()]
    assert enabled == ["mL", "⌀ mm", "Slices", "", "Copy the table"]
