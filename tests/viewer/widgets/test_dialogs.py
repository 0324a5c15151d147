"""No dialog is larger than a small screen, and nothing in it is cut off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from napari.qt import get_stylesheet
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QApplication, QDialog, QMessageBox, QWidget

from napari_ddmd.case import Case
from napari_ddmd.viewer.widgets.fitted_dialog import DialogScroll, FittedDialog
from napari_ddmd.viewer.widgets.save_dialog import SaveDialog
from tests.viewer.widgets.dialogs import keys_dialog, save_dialog, series_dialog
from tests.viewer.widgets.legibility import cut_off, nameless
from tests.viewer.widgets.small_screen import small_screen

MakeDialog = Callable[[QWidget], FittedDialog]
NAMES = ("keys", "series", "save")
# A screen of 1280×800 that enlarges by 1, 1.25, 1.5 and 2, less a title bar.
ROOMS = [QSize(1264, 760), QSize(1008, 600), QSize(837, 493), QSize(624, 360)]


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    """A window in napari's style."""
    root = QWidget()
    root.setStyleSheet(get_stylesheet("dark"))
    qtbot.addWidget(root)
    root.resize(small_screen())
    root.show()
    return root


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path, case: Case) -> MakeDialog:
    """What makes the dialog that the test asks for."""
    made: dict[str, MakeDialog] = {
        "keys": keys_dialog,
        "series": partial(series_dialog, folder=tmp_path),
        "save": partial(save_dialog, folder=tmp_path, case=case),
    }
    return made[request.param]


def shown(dialog: QDialog, qtbot: QtBot) -> None:
    dialog.show()
    qtbot.waitExposed(dialog)
    qtbot.wait(100)


@pytest.mark.parametrize("make", NAMES, indirect=True)
def test_every_word_of_a_dialog_can_be_read(
    make: MakeDialog, parent: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The screen that the tests run on may be larger than the small one.
    room, small = FittedDialog.room, small_screen() - QSize(16, 40)
    monkeypatch.setattr(FittedDialog, "room", lambda self: room(self).boundedTo(small))
    dialog = make(parent)
    shown(dialog, qtbot)
    found = cut_off(dialog)
    assert not found, "\n".join(found)
    size = dialog.frameGeometry().size()
    assert size == size.boundedTo(small_screen()), f"{type(dialog).__name__} is {size}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: f"{room.width()}x{room.height()}")
@pytest.mark.parametrize("make", NAMES, indirect=True)
def test_a_dialog_fits_into_the_room_that_there_is(
    make: MakeDialog, parent: QWidget, room: QSize, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FittedDialog, "room", lambda _self: room)
    dialog = make(parent)
    shown(dialog, qtbot)
    assert dialog.size() == dialog.size().boundedTo(room), f"{type(dialog).__name__} is {dialog.size()}"
    found = cut_off(dialog)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("make", ["keys", "save"], indirect=True)
def test_nothing_is_scrolled_where_there_is_room(
    make: MakeDialog, parent: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FittedDialog, "room", lambda _self: ROOMS[0])
    dialog = make(parent)
    shown(dialog, qtbot)
    scroll = dialog.findChild(DialogScroll)
    assert scroll is not None
    bar = scroll.verticalScrollBar()
    assert bar is not None
    assert bar.maximum() == 0


@pytest.mark.parametrize("make", NAMES, indirect=True)
def test_every_input_of_a_dialog_has_a_name(make: MakeDialog, parent: QWidget, qtbot: QtBot) -> None:
    dialog = make(parent)
    shown(dialog, qtbot)
    assert nameless(dialog) == []


@pytest.mark.parametrize("make", ["save"], indirect=True)
def test_the_question_about_files_fits_a_small_screen(make: MakeDialog, parent: QWidget, qtbot: QtBot) -> None:
    dialog = make(parent)
    assert isinstance(dialog, SaveDialog)
    shown(dialog, qtbot)
    sizes: list[QSize] = []

    def look() -> None:
        question = QApplication.activeModalWidget()
        assert isinstance(question, QMessageBox)
        sizes.append(question.frameGeometry().size())
        question.reject()

    QTimer.singleShot(300, look)
    dialog.save_button.click()
    assert len(dialog.replaced) == 8
    assert sizes[0] == sizes[0].boundedTo(small_screen())
