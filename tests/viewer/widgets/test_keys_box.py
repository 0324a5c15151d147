from __future__ import annotations

from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel

from napari_ddmd.viewer.keys import Key
from napari_ddmd.viewer.widgets.keys_box import KeysDialog


def test_every_key_stands_beside_what_it_does(qtbot: QtBot) -> None:
    dialog = KeysDialog([Key("Shift-N", "previous lesion", print), Key("F1", "layout: single", print)])
    qtbot.addWidget(dialog)
    pairs = {label.text(): buddy.text() for label in dialog.findChildren(QLabel) if (buddy := label.buddy())}
    assert pairs["<b>Shift+N</b>"] == "previous lesion"
    assert pairs["<b>F1</b>"] == "layout: single"
    assert "window" in pairs["<b>Right drag</b>"]
    assert not dialog.isModal()
