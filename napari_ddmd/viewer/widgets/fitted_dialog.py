"""A dialog that no screen is too small for, and the scroll area that makes it so."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QSize
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDialog, QLabel, QSizePolicy, QWidget

from napari_ddmd.viewer.widgets.scroll import VerticalScroll

# What a window's frame and title take, which is known only when the window is there.
_FRAME: Final = QSize(16, 40)


class FittedDialog(QDialog):
    """Opens as large as its content wants, as far as the screen has room."""

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Take the size before Qt looks for a place on the screen."""
        if event is not None and not event.spontaneous():
            self._take_style()
            self.resize(self.sizeHint().boundedTo(self.room()))
        super().showEvent(event)

    def room(self) -> QSize:
        """Return the largest size that the screen has room for."""
        parent = self.parentWidget()
        screen = (self if parent is None else parent.window() or self).screen()
        return self.size() if screen is None else screen.availableGeometry().size() - _FRAME

    def grow_for(self, scroll: DialogScroll) -> None:
        """Become higher for content that got longer, as far as the screen has room; move up where it ends too soon."""
        viewport = scroll.viewport()
        if viewport is not None and self.isVisible():
            lacking = max(scroll.content_height(viewport.width()) - viewport.height(), 0)
            self.resize(self.width(), max(self.height(), min(self.height() + lacking, self.room().height())))
            screen = self.screen()
            if lacking and screen is not None:
                area, frame = screen.availableGeometry(), self.frameGeometry()
                below = frame.bottom() - area.bottom()
                if below > 0:
                    self.move(self.x(), max(area.top(), self.y() - below))

    def _take_style(self) -> None:
        """Let the style sheet have its say now: Qt waits until the widgets are shown, and sizes change with it."""
        for widget in (self, *self.findChildren(QWidget)):
            widget.ensurePolished()
        layout = self.layout()
        if layout is not None:
            layout.invalidate()


class DialogScroll(VerticalScroll):
    """Scrolls up and down where the dialog is too low, and wants to be as large as what it holds.

    Parameters
    ----------
    content : QWidget
        What is scrolled.
    """

    # A window's frame and the dialog's margins.
    beside_px = 48

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(content, parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at which nothing has to be scrolled."""
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return QSize(super().sizeHint())
        width = content.sizeHint().width()
        around = self.size() - self.contentsRect().size()
        return QSize(width + bar.sizeHint().width(), self.content_height(width)) + around

    def content_height(self, width: int) -> int:
        """Return how high the content is at a width."""
        content = self.widget()
        if content is None:
            return 0
        layout = content.layout()
        # Where no text breaks, not even an empty one, a layout has no height for a width.
        if layout is None or not layout.hasHeightForWidth():
            return content.sizeHint().height()
        return layout.totalHeightForWidth(width)


class PatientLabel(QLabel):
    """A line that breaks only where there is no room for all of it."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size of the unbroken line."""
        metrics, around = self.fontMetrics(), self.size() - self.contentsRect().size()
        # One pixel for the slant of the last letter.
        return QSize(metrics.horizontalAdvance(self.text()) + 1, metrics.height()) + around
