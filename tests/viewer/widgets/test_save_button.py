from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.case import Case
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.case_names import name_for_saving
from napari_ddmd.viewer.saving import KINDS, USUAL
from napari_ddmd.viewer.widgets import save_button
from napari_ddmd.viewer.widgets.save_button import SaveButton
from napari_ddmd.viewer.widgets.save_dialog import SaveChoice, SaveDialog
from tests.results import finished

USUAL_NAMES = [
    "Small_001_lesions.csv",
    "Small_001_mask.nii.gz",
    "Small_001_probability.nii.gz",
    "Small_001_report.html",
]


@pytest.fixture
def content(case: Case) -> Saveable:
    volumes = finished(case)
    return Saveable(case=case, mask=volumes.mask(), volumes=volumes, threshold=0.5, is_models=True)


@pytest.fixture
def button(content: Saveable, qtbot: QtBot) -> SaveButton:
    button = SaveButton(lambda: content)
    qtbot.addWidget(button)
    return button


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the user does with the dialog: a function of it that fills it in, or None to cancel."""
    todo: list[Any] = []

    def run(dialog: SaveDialog) -> int:
        fill = todo.pop(0)
        if fill is None:
            return 0
        fill(dialog)
        return 1

    monkeypatch.setattr(SaveDialog, "exec", run)
    return todo


def test_what_the_files_do_not_hold_is_told(
    button: SaveButton,
    tmp_path: Path,
    qtbot: QtBot,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lossy = dataclasses.replace(KINDS["mask"], remark=lambda content: f"{content.case.name} holds 1 of 2 lesions")
    monkeypatch.setitem(KINDS, "mask", lossy)
    with qtbot.waitSignal(button.ended, timeout=10_000):
        button.save(tmp_path, {"mask"})
    told = [(note.severity.name, note.message) for note in notifications]
    assert told[0] == ("WARNING", "Small_001 holds 1 of 2 lesions")
    assert told[1][0] == "INFO"


def test_it_saves_what_was_chosen_and_remembers_it(
    button: SaveButton,
    answers: list[Any],
    tmp_path: Path,
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    def choose(dialog: SaveDialog) -> None:
        dialog.folder_line.setText(str(tmp_path))
        dialog.boxes["probability"].setChecked(False)
        dialog.boxes["samples"].setChecked(True)
        dialog.expert_box.setChecked(True)

    answers.append(choose)
    button.click()
    qtbot.waitUntil(lambda: bool(notifications), timeout=20_000)
    kinds = USUAL - {"probability"} | {"samples"}
    assert button.choice == SaveChoice(tmp_path, kinds, with_expert=True)
    names = [*USUAL_NAMES[:2], USUAL_NAMES[3], "Small_001_samples.nii.gz"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert "dashed: expert&#x27;s mask" in (tmp_path / "Small_001_report.html").read_text("utf-8")
    message = notifications[0].message
    assert message == f"Saved Small_001_mask.nii.gz, Small_001_samples.nii.gz and 2 more files in {tmp_path}"
    assert button.isEnabled()
    seen: list[SaveChoice] = []
    nowhere = tmp_path / "Small_001_mask.nii.gz" / "new"
    answers.append(lambda dialog: seen.append(dialog.choice) or dialog.folder_line.setText(str(nowhere)))
    button.click()
    qtbot.waitUntil(lambda: len(notifications) == 2, timeout=20_000)
    assert seen == [SaveChoice(tmp_path, kinds, with_expert=True)]
    assert notifications[1].message.startswith("new: cannot be written")


def test_another_name_is_in_the_files_and_is_kept_for_the_case(
    button: SaveButton,
    content: Saveable,
    answers: list[Any],
    tmp_path: Path,
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    saved: list[Any] = []
    button.mask_saved.connect(lambda case, _mask: saved.append(case))

    def choose(dialog: SaveDialog) -> None:
        dialog.folder_line.setText(str(tmp_path))
        dialog.name_line.setText("Patient 7")

    answers.append(choose)
    button.click()
    qtbot.waitUntil(lambda: bool(notifications), timeout=20_000)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        name.replace("Small_001", "Patient 7") for name in USUAL_NAMES
    ]
    assert saved[0] is content.case
    assert name_for_saving(content.case) == "Patient 7"


def test_cancel_saves_nothing(button: SaveButton, answers: list[Any], tmp_path: Path) -> None:
    button.choice = SaveChoice(tmp_path)
    answers.append(None)
    button.click()
    assert button.isEnabled()
    assert button.choice == SaveChoice(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_closed", [True, False])
def test_another_case_than_was_asked_about_is_not_saved(
    content: Saveable,
    answers: list[Any],
    tmp_path: Path,
    notifications: list[Notification],
    qtbot: QtBot,
    is_closed: bool,
) -> None:
    in_hand: list[Saveable | None] = [content]
    other = dataclasses.replace(content, case=dataclasses.replace(content.case, name="Other"))

    def turn(dialog: SaveDialog) -> None:
        dialog.folder_line.setText(str(tmp_path))
        in_hand[0] = None if is_closed else other

    button = SaveButton(lambda: in_hand[0])
    qtbot.addWidget(button)
    answers.append(turn)
    button.click()
    assert [(note.severity, note.message) for note in notifications] == [
        ("error", "Another case is in hand now; nothing was saved")
    ]
    assert button.text() == "Save…"
    assert list(tmp_path.iterdir()) == []


def test_what_was_on_screen_is_saved(
    button: SaveButton, content: Saveable, tmp_path: Path, notifications: list[Notification], qtbot: QtBot
) -> None:
    before = content.mask.copy()
    button.save(tmp_path, ("mask",))
    content.mask[:] = 7
    qtbot.waitUntil(lambda: bool(notifications), timeout=20_000)
    saved = np.asanyarray(nibabel.load(tmp_path / "Small_001_mask.nii.gz").dataobj)
    np.testing.assert_array_equal(content.case.grid.to_axial(saved), before)
    assert notifications[0].message == f"Saved Small_001_mask.nii.gz in {tmp_path}"


def test_a_failure_is_told_once(
    button: SaveButton, tmp_path: Path, notifications: list[Notification], qtbot: QtBot
) -> None:
    (tmp_path / "file").write_text("")
    button.save(tmp_path / "file")
    qtbot.waitUntil(lambda: bool(notifications), timeout=10_000)
    assert [note.severity for note in notifications] == ["error"]
    assert button.isEnabled()
    assert button._kept is None, "a case that is closed next would stay in memory"


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


def test_without_a_mask_nothing_happens(qtbot: QtBot, answers: list[Any], tmp_path: Path) -> None:
    button = SaveButton(lambda: None)
    qtbot.addWidget(button)
    button.click()
    button.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
