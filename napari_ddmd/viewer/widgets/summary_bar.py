"""The volume in one line, and whether the reader has accepted the mask."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_ddmd.viewer.acceptance import accept, acceptance_of, withdraw
from napari_ddmd.viewer.desk import Desk

_TIP = "Lesions of the mask in hand (tab Lesions)"
_ACCEPT_TIP = "Mark the mask as accepted, as it stands; an edit, or more slices, takes the mark away"
_CHECK_AFTER_MS = 300


class SummaryBar(QWidget):
    """One line on the mask in hand, always in sight.

    Parameters
    ----------
    desk : Desk
        The mask in hand.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.label = QLabel("")
        self.label.setToolTip(_TIP)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setStyleSheet("font-weight: bold")
        self.label.setWordWrap(True)
        self.label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.accept_button = QPushButton("Accept")
        self.accept_button.setCheckable(True)
        self.accept_button.setAccessibleName("Accept the mask")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.accept_button)
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(_CHECK_AFTER_MS)
        self._clock.timeout.connect(self._show_acceptance)
        self.accept_button.clicked.connect(self._on_button)
        desk.mask_changed.connect(self._show_acceptance)
        # Not at once: a mask that is redrawn only says so, too.
        desk.mask_edited.connect(self._clock.start)
        self.say("")

    def say(self, text: str) -> None:
        """Show the line; an empty one hides the bar."""
        self.label.setText(text)
        self.setVisible(bool(text))
        self._show_acceptance()

    def toggle_accepted(self) -> None:
        """Accept the mask in hand as it stands, or take that back."""
        mask = self._desk.mask
        if mask is None:
            return
        if acceptance_of(mask) is not None:
            withdraw(mask)
        elif self._desk.says_something:
            accept(mask)
        self._show_acceptance()

    def _on_button(self, _checked: bool) -> None:
        self.toggle_accepted()

    def _show_acceptance(self) -> None:
        mask, says_something = self._desk.mask, self._desk.says_something
        if mask is not None and not says_something:
            withdraw(mask)  # what it was of has been taken back, though no voxel has changed
        mark = acceptance_of(mask)
        self.accept_button.setEnabled(says_something)
        self.accept_button.setChecked(mark is not None)
        self.accept_button.setText("Accept" if mark is None else "Accepted ✓")
        self.accept_button.setToolTip(_ACCEPT_TIP if mark is None else f"Accepted {mark.when.replace('T', ' ')}")
