from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_ddmd.case import Case
from napari_ddmd.viewer.widgets import save_button
from napari_ddmd.viewer.widgets.save_button import SaveButton


@pytest.fixture
def button(case: Case, qtbot: QtBot) -> SaveButton:
    mask = np.ones(case.grid.shape, np.uint8)
    button = SaveButton(lambda: (case, mask, np.ones(case.grid.shape, np.float32)))
    qtbot.addWidget(button)
    return button


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the user was asked; answers with a folder, and with `answer`."""
    seen: dict[str, Any] = {"questions": [], "answer": QMessageBox.StandardButton.Yes}

    def folder(_parent: object, _title: str, beside: str) -> str:
        seen["beside"] = beside
        return str(tmp_path)

    def question(_parent: object, _title: str, text: str) -> Any:
        seen["questions"].append(text)
        return seen["answer"]

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", folder)
    monkeypatch.setattr(QMessageBox, "question", question)
    return seen


def test_it_saves_where_it_is_told_to(
    button: SaveButton,
    case: Case,
    asked: dict[str, Any],
    tmp_path: Path,
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    button.click()
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    assert asked["beside"] == str(case.files.images["t1"].parent)
    assert asked["questions"] == []
    names = ["Small_001_mask.nii.gz", "Small_001_probability.nii.gz"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert button.isEnabled()


def test_nothing_is_replaced_without_consent(
    button: SaveButton, asked: dict[str, Any], tmp_path: Path, qtbot: QtBot
) -> None:
    taken = tmp_path / "Small_001_mask.nii.gz"
    taken.write_bytes(b"mine")
    asked["answer"] = QMessageBox.StandardButton.No
    button.click()
    qtbot.wait(100)
    assert taken.read_bytes() == b"mine"
    assert asked["questions"] == ["Small_001_mask.nii.gz is there already. Replace?"]
    asked["answer"] = QMessageBox.StandardButton.Yes
    button.click()
    qtbot.waitUntil(lambda: taken.read_bytes() != b"mine", timeout=10_000)
    qtbot.waitUntil(button.isEnabled, timeout=10_000)


def test_a_failure_is_told_once(
    button: SaveButton, tmp_path: Path, notifications: list[Notification], qtbot: QtBot
) -> None:
    (tmp_path / "file").write_text("")
    button.save(tmp_path / "file")
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    assert [note.severity for note in notifications] == ["error"]
    assert button.isEnabled()


def test_a_second_save_waits_for_the_first(
    button: SaveButton,
    tmp_path: Path,
    notifications: list[Notification],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    begun: list[Path] = []

    def fail(folder: Path, *_: object) -> None:
        begun.append(folder)
        gate.wait(10)
        raise OSError("the disk is full")

    monkeypatch.setattr(save_button, "save_results", fail)
    button.save(tmp_path / "first")
    button.set_available(True)
    assert not button.isEnabled()
    button.save(tmp_path / "second")
    gate.set()
    qtbot.waitUntil(button.isEnabled, timeout=10_000)
    # The first one's failure is told.
    assert begun == [tmp_path / "first"]
    assert [note.message for note in notifications] == ["the disk is full"]


def test_what_became_of_the_mask_meanwhile_counts_after_the_save(
    button: SaveButton, tmp_path: Path, notifications: list[Notification], qtbot: QtBot
) -> None:
    button.save(tmp_path)
    button.set_available(False)
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    assert not button.isEnabled()
    button.set_available(True)
    assert button.isEnabled()


def test_without_a_mask_nothing_happens(qtbot: QtBot, asked: dict[str, Any], tmp_path: Path) -> None:
    button = SaveButton(lambda: None)
    qtbot.addWidget(button)
    button.click()
    button.save(tmp_path)
    assert "beside" not in asked
    assert list(tmp_path.iterdir()) == []
