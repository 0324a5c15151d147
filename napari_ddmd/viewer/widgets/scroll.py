"""A column of titled sections, and a scroll area for it that scrolls up and down only."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget


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
