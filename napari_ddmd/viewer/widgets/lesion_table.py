"""A table of lesions that sorts by each column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QMenu,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    from napari_ddmd.lesions import Lesion

_MOST_ROWS = 6
# Room in pixels for the mark of the column that is sorted by, and around the text.
_SORT_MARK, _PADDING = 10, 16
# How much of its padding a column gives up where all would not fit otherwise.
_SQUEEZE = 10


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes
    ----------
    title, tip : str
        Head of the column, and what it means.
    value : callable
        What it sorts by, None where the lesion has none.
    text : callable
        The value in words.
    is_usual : bool
        Shown at first; others are for whoever wants them, so that the table fits into the panel.
    """

    title: str
    tip: str
    value: Callable[[Lesion], float | None]
    text: Callable[[Lesion], str]
    is_usual: bool = True


def _figure(
    title: str, tip: str, value: Callable[[Lesion], float | None], form: str, *, is_usual: bool = True
) -> Column:
    def text(lesion: Lesion) -> str:
        figure = value(lesion)
        return "" if figure is None else f"{figure:{form}}"

    return Column(title, tip, value, text, is_usual)


def _score(modality: str) -> Column:
    label = MODALITY_LABELS[modality]
    tip = f"{label}: mean inter-discrepancy score over the lesion's slices; high is unlike healthy brain"
    return _figure(label, tip, lambda lesion: (lesion.modality_scores or {}).get(modality), ".3f", is_usual=False)


def _slices(lesion: Lesion) -> str:
    first, last = lesion.slices
    return f"{first}" if first == last else f"{first}-{last}"


COLUMNS = (
    Column("No.", "Number of the lesion; edits do not change it", lambda lesion: lesion.label, lambda x: str(x.label)),
    Column("mL", "Volume in millilitres", lambda lesion: lesion.volume_ml, lambda x: millilitres(x.volume_ml)),
    _figure("⌀ mm", "Longest diameter in an axial slice, in millimetres", lambda x: x.longest_diameter_mm, ".0f"),
    Column(
        "Slices",
        "First and last axial slice, counted from 0 at the lower end as on the slider",
        lambda lesion: lesion.slices[0],
        _slices,
    ),
    _figure("Prob.", "Mean lesion probability, 0 to 1", lambda lesion: lesion.mean_probability, ".2f"),
    _figure(
        "Unc.", "Mean uncertainty in bits, 0 to 1: how far the samples disagree", lambda x: x.mean_uncertainty, ".2f"
    ),
    *(_score(modality) for modality in MODALITIES),
)


class LesionTable(QTableWidget):
    """Lesions, one a row. A click, or up and down, chooses one, the Delete key asks to delete it.

    Left and right are the window's, as everywhere else: slice by slice. Ctrl+C copies the table as it is shown.

    Its context menu shows and hides columns; a row's tip has all figures of the lesion.

    Signals
    -------
    lesion_chosen
        The `Lesion` of the row that was clicked or stepped to.
    delete_wanted
        The `Lesion` of the current row.
    """

    lesion_chosen = Signal(object)
    delete_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self._lesions: dict[int, Lesion] = {}
        self._wanted = {place for place, column in enumerate(COLUMNS) if column.is_usual}
        for place, column in enumerate(COLUMNS):
            head = QTableWidgetItem(column.title)
            head.setToolTip(f"{column.tip}. Click to sort, right click or Columns… to choose columns")
            self.setHorizontalHeaderItem(place, head)
        self.setAccessibleName("Lesions")
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        columns.setMinimumSectionSize(32)
        # napari's own padding would leave room for four columns only.
        self.setStyleSheet("QHeaderView::section { padding: 2px 3px; } QTableWidget::item { padding: 0px 2px; }")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.cellClicked.connect(self._on_row)
        self.currentCellChanged.connect(self._on_step)
        for part in (self, columns):
            part.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda place: self.ask_for_columns(self.mapToGlobal(place)))
        columns.customContextMenuRequested.connect(lambda place: self.ask_for_columns(columns.mapToGlobal(place)))
        self.hide()

    @property
    def lesion(self) -> Lesion | None:
        """The lesion of the current row."""
        return self._lesion_at(self.currentRow())

    def show_lesions(self, lesions: Sequence[Lesion], chosen: int = 0) -> None:
        """Show other lesions in the same order; columns without figures are hidden.

        Parameters
        ----------
        lesions : sequence of Lesion
            One a row.
        chosen : int
            Number of the one that is chosen from now on, which is no news to whoever listens; 0 for none.
        """
        self.blockSignals(True)
        # Rows would change their place while they are filled.
        self.setSortingEnabled(False)
        self._lesions = {lesion.label: lesion for lesion in lesions}
        self.setRowCount(len(lesions))
        for place, column in enumerate(COLUMNS):
            for row, lesion in enumerate(lesions):
                self.setItem(row, place, _Item(column.text(lesion), column.value(lesion), lesion.label, _tip(lesion)))
        self.setSortingEnabled(True)
        self.setCurrentCell(-1, -1)
        for row in range(self.rowCount()):
            if self._number_at(row) == chosen:
                self.setCurrentCell(row, 0)
        self.blockSignals(False)
        self.setVisible(bool(lesions))
        self._show_columns()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Ask to delete the current lesion; letters are no search in the table, nor left and right other cells."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.copy_all()
        elif event is not None and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.lesion is not None:
            self.delete_wanted.emit(self.lesion)
        elif event is not None and (
            event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right) or (event.text() and event.text().isprintable())
        ):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Fit the columns into the panel."""
        super().resizeEvent(event)
        self._fit_columns()

    def columns_menu(self) -> QMenu:
        """Return the menu that shows and hides columns, and copies; those without figures can not be chosen."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for place, column in enumerate(COLUMNS):
            action = menu.addAction(column.title)
            assert action is not None
            action.setToolTip(column.tip)
            action.setCheckable(True)
            action.setChecked(place in self._wanted)
            # Without its number nobody knows which lesion a row is.
            action.setEnabled(place > 0 and self._has_figures(column))
            action.toggled.connect(partial(self._want, place))
        menu.addSeparator()
        copies = menu.addAction("Copy the table")
        assert copies is not None
        copies.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copies.triggered.connect(self.copy_all)
        return menu

    def copy_all(self) -> None:
        """Copy the table with its headings, as it is sorted: cells apart by tabs, as spreadsheets take them."""
        shown = [place for place in range(len(COLUMNS)) if not self.isColumnHidden(place)]
        rows = [[COLUMNS[place].title for place in shown]]
        for row in range(self.rowCount()):
            items = [self.item(row, place) for place in shown]
            rows.append(["" if item is None else item.text() for item in items])
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n".join("\t".join(cells) for cells in rows))

    def ask_for_columns(self, place: QPoint) -> None:
        """Open the menu of columns at a point of the screen."""
        self.columns_menu().exec(place)

    def _want(self, place: int, wanted: bool) -> None:
        (self._wanted.add if wanted else self._wanted.discard)(place)
        self._show_columns()

    def _has_figures(self, column: Column) -> bool:
        return any(column.value(lesion) is not None for lesion in self._lesions.values())

    def _show_columns(self) -> None:
        for place, column in enumerate(COLUMNS):
            self.setColumnHidden(place, place not in self._wanted or not self._has_figures(column))
        self._fit()

    def _fit(self) -> None:
        """Be as high as the rows need, within limits: the tools below should stay in sight."""
        head, bar = self.horizontalHeader(), self.horizontalScrollBar()
        assert head is not None
        assert bar is not None
        self._fit_columns()
        rows = sum(self.rowHeight(row) for row in range(min(self.rowCount(), _MOST_ROWS)))
        below = bar.sizeHint().height() if self._overflows else 0
        self.setFixedHeight(head.sizeHint().height() + rows + below + 2 * self.frameWidth())

    def _fit_columns(self) -> None:
        """Share the width among the columns; they become narrower, within limits, before the table scrolls sideways."""
        view = self.viewport()
        assert view is not None
        widths = {place: self._width(place) for place in range(len(COLUMNS)) if not self.isColumnHidden(place)}
        if not widths:
            return
        spare = view.width() - sum(widths.values())
        for number, (place, width) in enumerate(widths.items()):
            # To the pixel: the first ones take what cannot be shared.
            share = spare // len(widths) + (number < spare % len(widths))
            self.setColumnWidth(place, width + max(share, -_SQUEEZE))

    @property
    def _overflows(self) -> bool:
        head, view = self.horizontalHeader(), self.viewport()
        return head is not None and view is not None and head.length() > view.width()

    def _width(self, place: int) -> int:
        """Width of a column's texts with air around them."""
        head = self.horizontalHeader()
        assert head is not None
        items = [self.item(row, place) for row in range(self.rowCount())]
        texts = [item.text() for item in items if item is not None]
        width = max((self.fontMetrics().horizontalAdvance(text) for text in texts), default=0)
        title = head.fontMetrics().horizontalAdvance(COLUMNS[place].title) + _SORT_MARK
        return max(width, title) + _PADDING

    def _number_at(self, row: int) -> int | None:
        item = self.item(row, 0)
        return item.number if isinstance(item, _Item) else None

    def _lesion_at(self, row: int) -> Lesion | None:
        number = self._number_at(row)
        return None if number is None else self._lesions.get(number)

    def _on_step(self, row: int, _column: int, before: int, *_: Any) -> None:
        if row != before:  # in the row, Home and End go elsewhere, too
            self._on_row(row)

    def _on_row(self, row: int, *_: Any) -> None:
        lesion = self._lesion_at(row)
        if lesion is not None:
            self.lesion_chosen.emit(lesion)


def _tip(lesion: Lesion) -> str:
    """All figures of a lesion, and what can be done with it."""
    figures = [f"{column.title} {column.text(lesion)}" for column in COLUMNS if column.value(lesion) is not None]
    return f"<p>{' · '.join(figures)}</p><p>Click to go to its middle; Delete removes it</p>"


class _Item(QTableWidgetItem):
    """Sorts as a number; what has none comes first."""

    def __init__(self, text: str, value: float | None, number: int, tip: str) -> None:
        super().__init__(text)
        self.setToolTip(tip)
        self.number = number
        self._value = float("-inf") if value is None else float(value)
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: object) -> bool:
        return self._value < other._value if isinstance(other, _Item) else NotImplemented
