"""A scroll area that scrolls up and down only."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class VerticalScroll(QScrollArea):
    """Holds a column of widgets, and is never narrower than they are.

    Parameters
    ----------
    content : QWidget
        What is scrolled.
    """

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
            self.setMinimumWidth(content.minimumSizeHint().width() + bar.sizeHint().width())
        return bool(super().eventFilter(watched, event))
