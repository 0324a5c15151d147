"""What of a widget's texts cannot be read, and which inputs have no name: for tests of whole panels."""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QTableView,
    QTableWidget,
    QWidget,
)

# A style sheet's rounding.
_SLACK_PX = 2


def describe(widget: QWidget) -> str:
    """Name a widget by its class, its text and where it sits."""
    parents: list[str] = []
    parent = widget.parentWidget()
    while parent is not None and len(parents) < 4:
        if not type(parent).__name__.startswith("Q"):
            parents.append(type(parent).__name__)
        parent = parent.parentWidget()
    return f"{' < '.join([type(widget).__name__, *parents])}: {_text(widget)!r}"


def cut_off(root: QWidget) -> list[str]:
    """Describe the visible widgets below `root` whose text does not fit, or which stick out of what they are in.

    What can be scrolled into sight is not cut off.
    """
    found: list[str] = []
    for widget in _visible(root):
        for lacking, way in ((_lacking(widget), "width"), (_height_lacks(widget), "height")):
            if lacking > _SLACK_PX:
                found.append(f"{describe(widget)} lacks {lacking} px of {way}")
        out = _sticks_out(widget)
        if out > _SLACK_PX:
            found.append(f"{describe(widget)} sticks out by {out} px")
    return found


def nameless(root: QWidget) -> list[str]:
    """Describe the visible inputs below `root` of which a screen reader could not say what they are."""
    buddies = {label.buddy() for label in root.findChildren(QLabel)}
    return [
        describe(widget)
        for widget in _visible(root)
        if isinstance(widget, QAbstractButton | QComboBox | QAbstractSpinBox | QAbstractSlider | QLineEdit | QTableView)
        and not isinstance(widget, QScrollBar)
        and not _has_name(widget, buddies)
    ]


def _visible(root: QWidget) -> Iterator[QWidget]:
    for widget in root.findChildren(QWidget):
        # Parts of Qt's own widgets (scroll bars, the corner of a table) are Qt's business.
        if widget.isVisibleTo(root) and widget.width() > 0 and not widget.objectName().startswith("qt_"):
            yield widget


def _text(widget: QWidget) -> str:
    if isinstance(widget, QComboBox):
        return widget.currentText() or widget.placeholderText()
    if isinstance(widget, QLabel):
        document = QTextDocument()
        if Qt.mightBeRichText(widget.text()):
            document.setHtml(widget.text())
        else:
            document.setPlainText(widget.text())
        return document.toPlainText()
    if isinstance(widget, QAbstractButton | QLineEdit):
        return widget.text()
    return widget.accessibleName()


def _lacking(widget: QWidget) -> int:
    """Return how many pixels a widget lacks for its text."""
    if isinstance(widget, QLabel):
        return _label_lacks(widget)
    if isinstance(widget, QAbstractButton):
        return widget.sizeHint().width() - widget.width() if widget.text() else 0
    if isinstance(widget, QComboBox):
        return _combo_lacks(widget)
    if isinstance(widget, QLineEdit):
        room = widget.width() - widget.textMargins().left() - widget.textMargins().right()
        return 0 if widget.toolTip() else widget.fontMetrics().horizontalAdvance(widget.text()) - room
    if isinstance(widget, QTabBar):
        return sum(widget.tabRect(tab).width() for tab in range(widget.count())) - widget.width()
    if isinstance(widget, QTableWidget):
        return _table_lacks(widget)
    return 0


def _height_lacks(widget: QWidget) -> int:
    """Return how many pixels a widget lacks for one line of its text."""
    is_text = isinstance(widget, QLabel | QAbstractButton | QComboBox | QLineEdit | QTabBar)
    if not is_text or not (_text(widget) or isinstance(widget, QTabBar)):
        return 0
    return widget.fontMetrics().height() - widget.height()


def _sticks_out(widget: QWidget) -> int:
    """Return how far a widget lies outside of its parent, where it cannot be scrolled into it."""
    parent = widget.parentWidget()
    if parent is None:
        return 0
    inside, area = widget.geometry(), parent.parentWidget()
    beyond = [
        max(-inside.left(), inside.right() + 1 - parent.width()),
        max(-inside.top(), inside.bottom() + 1 - parent.height()),
    ]
    if isinstance(area, QAbstractScrollArea) and area.viewport() is parent:
        policies = (area.horizontalScrollBarPolicy(), area.verticalScrollBarPolicy())
        never = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        beyond = [out if policy == never else 0 for out, policy in zip(beyond, policies, strict=True)]
    return max(beyond)


def _label_lacks(label: QLabel) -> int:
    if not label.text():
        return 0
    if label.wordWrap():
        # A single word may be wider than the label, even where lines are broken.
        words = _text(label).split()
        longest = max((label.fontMetrics().horizontalAdvance(word) for word in words), default=0)
        return max(label.heightForWidth(label.width()) - label.height(), longest - label.contentsRect().width())
    return label.minimumSizeHint().width() - label.width()


def _combo_lacks(combo: QComboBox) -> int:
    text = _text(combo)
    if text and text in combo.toolTip():
        return 0
    option, style = QStyleOptionComboBox(), combo.style()
    combo.initStyleOption(option)
    assert style is not None
    field = style.subControlRect(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, combo
    )
    return combo.fontMetrics().horizontalAdvance(text) - field.width()


def _table_lacks(table: QTableWidget) -> int:
    header = table.horizontalHeader()
    assert isinstance(header, QHeaderView)
    lacking = [0]
    for column in range(table.columnCount()):
        title = table.horizontalHeaderItem(column)
        words = 0 if title is None else header.fontMetrics().horizontalAdvance(title.text())
        # What stands in full in its own tool tip may be shortened.
        items = [table.item(row, column) for row in range(table.rowCount())]
        has_tips = all(item is not None and item.toolTip() == item.text() for item in items)
        if not table.isColumnHidden(column):
            needed = words if has_tips else max(words, table.sizeHintForColumn(column))
            lacking.append(needed - header.sectionSize(column))
    return max(lacking)


def _has_name(widget: QWidget, buddies: set[QWidget | None]) -> bool:
    if isinstance(widget, QAbstractButton) and widget.text():
        return True
    # Composed inputs, a slider with a number for instance, are named as a whole.
    owner: QWidget | None = widget
    while owner is not None and isinstance(owner, _INPUTS):
        if owner.accessibleName() or owner in buddies:
            return True
        owner = owner.parentWidget()
    return isinstance(widget.parentWidget(), QPlainTextEdit)


_INPUTS = (QAbstractButton, QComboBox, QAbstractSpinBox, QAbstractSlider, QLineEdit, QTableView)
