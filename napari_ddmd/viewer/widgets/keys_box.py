"""What the keyboard and the mouse do."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_ddmd.viewer.keys import Key, label_of
from napari_ddmd.viewer.widgets.fitted_dialog import DialogScroll, FittedDialog, PatientLabel

_OTHERS = ((("Left", "Right"), "slice by slice (napari's own)"),)
_MOUSE = (
    ("Right drag", "window (sideways) and level (up is brighter) of the image under the mouse"),
    ("Right click with the brush", "begins an outline that is filled when it closes (napari's own); Esc: give it up"),
    ("Right double click", "window and level as at first"),
    ("Ctrl + wheel", "slice by slice (napari's own)"),
)


class KeysDialog(FittedDialog):
    """All keys, beside what they do. Does not stand in the way: the keys can be tried while it is open.

    Parameters
    ----------
    keys : iterable of Key
        The panel's own.
    """

    def __init__(self, keys: Iterable[Key], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and mouse")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        content = QWidget()
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(1, 1)
        rows = [(key.label, key.does) for key in keys]
        rows += [(", ".join(label_of(name) for name in names), does) for names, does in _OTHERS]
        for row, (name, does) in enumerate((*rows, *_MOUSE)):
            left, right = QLabel(f"<b>{name}</b>"), PatientLabel(does)
            for label in (left, right):
                label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            # A screen reader says both together.
            left.setBuddy(right)
            grid.addWidget(left, row, 0)
            grid.addWidget(right, row, 1)
        buttons = QDialogButtonBox()
        # Without the desktop's icon, which is black on a dark ground.
        buttons.addButton("Close", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(DialogScroll(content), 1)
        layout.addWidget(buttons)
