from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices

from napari_ddmd.viewer.widgets.saved_files import SavedFiles


def test_the_report_and_the_folder_are_opened(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = SavedFiles()
    qtbot.addWidget(box)
    assert box.isHidden()
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(QUrl(url).toLocalFile()))
    folder = tmp_path / "a folder, 50 % ü"
    box.offer([folder / "case_mask.nii.gz", folder / "case_report.html"])
    assert not box.isHidden()
    box.report_button.click()
    box.folder_button.click()
    assert opened == [str(folder / "case_report.html"), str(folder)]
    box.offer([folder / "case_mask.nii.gz"])
    assert box.report_button.isHidden()
    assert not box.folder_button.isHidden()
    box.offer([])
    assert box.isHidden()
