"""A column of titled sections, and a scroll area for it that scrolls up and down only."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QKeyEvent, QResizeEvent
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

_LEAST_LINES = 2


class VerticalScroll(QScrollArea):
    """Holds a column of widgets, and is never narrower than they are, unless the screen has no room for that.

    Parameters
    ----------
    content : QWidget
        What is scrolled.
    """

    # What napari's canvas with its slider needs beside a panel, frames and margins included.
    beside_px = 332

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the content's width, which a style sheet settles only after the widget is shown."""
        changed = (QEvent.Type.LayoutRequest, QEvent.Type.Resize, QEvent.Type.StyleChange)
        content, bar = self.widget(), self.verticalScrollBar()
        if event is not None and watched is content and event.type() in changed and content and bar:
            self._take_width(content.minimumSizeHint().width() + bar.sizeHint().width())
        return bool(super().eventFilter(watched, event))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Leave left and right to the window, which walks through the slices: a click beside the inputs ends here."""
        if event is not None and event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _take_width(self, needed: int) -> None:
        screen = self.screen()
        room = needed if screen is None else screen.availableGeometry().width() - self.beside_px
        policies = Qt.ScrollBarPolicy
        policy = policies.ScrollBarAsNeeded if needed > room else policies.ScrollBarAlwaysOff
        # Qt lays out again even where it stays the same, in the middle of a layout.
        if policy != self.horizontalScrollBarPolicy():
            self.setHorizontalScrollBarPolicy(policy)
        self.setMinimumWidth(min(needed, room))


class RemarkScroll(VerticalScroll):
    """As high as the text in it, and lower where there is no room for all: it scrolls then. Hidden with the text.

    Parameters
    ----------
    text : QLabel
        Breaks its lines.
    """

    def __init__(self, text: QLabel, parent: QWidget | None = None) -> None:
        self._height = 0
        is_hidden = text.isHidden()
        super().__init__(text, parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        # Whatever becomes the content of a scroll area is shown.
        text.setHidden(is_hidden)
        self.setHidden(is_hidden)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Come and go with the text, and follow its height."""
        text = self.widget()
        if event is not None and text is not None and watched is text:
            if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
                self.setVisible(not text.isHidden())
            self._follow()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Follow the text, which breaks elsewhere."""
        super().resizeEvent(event)
        self._follow()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size of the whole text."""
        return QSize(super().sizeHint().width(), self._height)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the size of two lines."""
        return QSize(0, min(self._height, _LEAST_LINES * self.fontMetrics().height()))

    def _follow(self) -> None:
        text, room = self.widget(), self.maximumViewportSize()
        around = self.height() - room.height()  # napari's style draws a border
        height = 0 if text is None else text.heightForWidth(room.width()) + around
        if height != self._height:
            self._height = height
            self.setMaximumHeight(max(height, 0))
            self.updateGeometry()
        # The keyboard stops here only where there is something to scroll.
        is_cut = self.height() < height
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if is_cut else Qt.FocusPolicy.NoFocus)


def column(*sections: tuple[str, tuple[QWidget, ...]]) -> QWidget:
    """Put titled groups of widgets one below the other."""
    content = QWidget()
    layout = QVBoxLayout(content)
    layout.setContentsMargins(8, 4, 8, 8)
    layout.setSpacing(6)
    for title, widgets in sections:
        heading = QLabel(f"<b>{title}</b>")
        heading.setContentsMargins(0, 4, 0, 0)
        for widget in (heading, *widgets):
            layout.addWidget(widget)
    layout.addStretch(1)
    return content
