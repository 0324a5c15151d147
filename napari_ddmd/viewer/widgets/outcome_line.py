"""How something ended that a message told of, which passes: in the panel until the next."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget


class OutcomeLine(QLabel):
    """A line that breaks, as wide as there is room; hidden until there is something to tell."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.hide()

    def tell(self, words: str, whole: str) -> None:
        """Show it in short; the tip has the whole."""
        self.setText(words)
        # Rich text makes Qt wrap the lines.
        self.setToolTip(f"<p>{escape(whole)}</p>")
        self.show()
