"""Buttons that open what was saved: the report, and the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget


class SavedFiles(QWidget):
    """Opens files with the desktop's own programs; hidden until something is saved."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: Path | None = None
        self._folder: Path | None = None
        self.report_button, self.folder_button = QPushButton("Open the report"), QPushButton("Open the folder")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self.report_button, self.folder_button):
            layout.addWidget(button, 1)
        self.report_button.clicked.connect(lambda: _open(self._report))
        self.folder_button.clicked.connect(lambda: _open(self._folder))
        self.hide()

    def offer(self, files: Sequence[Path]) -> None:
        """Offer to open files that were saved into one folder; none takes the offer back."""
        self._report = next((file for file in files if file.suffix == ".html"), None)
        self._folder = files[0].parent if files else None
        self.report_button.setVisible(self._report is not None)
        self.report_button.setToolTip("" if self._report is None else f"{self._report.name}, in the browser")
        self.folder_button.setToolTip("" if self._folder is None else str(self._folder))
        self.setVisible(bool(files))


def _open(path: Path | None) -> None:
    if path is not None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
