"""A frame around the input that the keyboard acts on: napari's themes show no focus."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QApplication, QWidget

_WIDTH_PX = 2
# Seen on napari's dark and light grounds, and by people who see fewer colours.
_COLOR = QColor("#ff9e1b")
_MOVED = (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide)


class FocusRings(QObject):
    """Frames whatever in a panel gets the focus by the keyboard; a click with the mouse shows where it goes anyway.

    Parameters
    ----------
    panel : QWidget
        Whose inputs are framed.
    """

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        self._panel = panel
        self._framed: QWidget | None = None
        self._ring: _Ring | None = None
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._on_focus)

    @property
    def framed(self) -> QWidget | None:
        """The input that has the frame."""
        return self._framed

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the input that has the frame."""
        if event is not None and watched is self._framed and event.type() in _MOVED:
            self._place()
        return bool(super().eventFilter(watched, event))

    def _on_focus(self, _old: QWidget | None, new: QWidget | None) -> None:
        if self._framed is not None:
            self._framed.removeEventFilter(self)
            self._framed.destroyed.disconnect(self._on_gone)
        if self._ring is not None:
            self._ring.hide()
            self._ring.deleteLater()
        self._framed, self._ring = None, None
        by_mouse = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if new is None or by_mouse or not self._panel.isAncestorOf(new) or new.parentWidget() is None:
            return
        self._framed, self._ring = new, _Ring(new.parentWidget())
        new.installEventFilter(self)
        new.destroyed.connect(self._on_gone)
        self._place()

    def _on_gone(self) -> None:
        # The ring belongs to the same parent, and goes with it or stays out of sight.
        self._framed, self._ring = None, None

    def _place(self) -> None:
        if self._framed is not None and self._ring is not None:
            self._ring.setGeometry(self._framed.geometry().adjusted(-_WIDTH_PX, -_WIDTH_PX, _WIDTH_PX, _WIDTH_PX))
            self._ring.setVisible(self._framed.isVisible())
            self._ring.raise_()


class _Ring(QWidget):
    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(_COLOR, _WIDTH_PX))
        inset = _WIDTH_PX // 2
        painter.drawRoundedRect(self.rect().adjusted(inset, inset, -inset, -inset), 3, 3)
        painter.end()
