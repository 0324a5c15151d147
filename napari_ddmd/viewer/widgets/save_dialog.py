"""The dialog that asks what is saved, and where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ddmd.viewer.case_folder import case_folder
from napari_ddmd.viewer.case_names import name_for_saving, what_is_wrong
from napari_ddmd.viewer.saving import KINDS, REPORT, SEGMENTATION, USUAL, result_files
from napari_ddmd.viewer.widgets.fitted_dialog import DialogScroll, FittedDialog

if TYPE_CHECKING:
    from napari_ddmd.saveable import Saveable

_MOST_NAMES = 8
_LONGEST_NAME = 100
_NAME_TIP = (
    "<p>What the case is called in the names of the files, in the report and in the table: another one, where its "
    "own tells who the patient is</p>"
)


@dataclass(frozen=True)
class SaveChoice:
    """What the user chose.

    Attributes
    ----------
    folder : Path or None
        Where the files go; None stands for the folder of the case.
    kinds : frozenset of str
        Keys of `KINDS`; those without content are passed over.
    with_expert : bool
        Whether the report's pictures show the expert's mask.
    """

    folder: Path | None = None
    kinds: frozenset[str] = USUAL
    with_expert: bool = False


class SaveDialog(FittedDialog):
    """Asks for a folder, a name and the kinds of files; says which are there already.

    Parameters
    ----------
    content : Saveable
        What there is to save.
    choice : SaveChoice
        What is chosen at first.
    """

    def __init__(self, content: Saveable, choice: SaveChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content, self._first = content, choice
        self.setWindowTitle(f"Save results of {content.case.name}")
        self.folder_line = QLineEdit(str(choice.folder or case_folder(content.case)))
        self.folder_line.setAccessibleName("Folder")
        self.folder_line.setMinimumWidth(320)
        browse = QPushButton("Browse…")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        name = name_for_saving(content.case)
        self.name_line = QLineEdit(name)
        self.name_line.setAccessibleName("Name of the case")
        self.name_line.setMaxLength(max(_LONGEST_NAME, len(name)))
        self.name_line.setToolTip(_NAME_TIP)
        place = QGridLayout()
        for row, (text, line) in enumerate((("&Folder", self.folder_line), ("&Name", self.name_line))):
            label = QLabel(text)
            label.setBuddy(line)
            place.addWidget(label, row, 0)
            place.addWidget(line, row, 1)
        place.addWidget(browse, 0, 2)
        rows = QWidget()
        column = QVBoxLayout(rows)
        column.setContentsMargins(0, 0, 0, 0)
        self.boxes: dict[str, QCheckBox] = {}
        for key, kind in KINDS.items():
            box = self.boxes[key] = QCheckBox(kind.title)
            has_content = bool(kind.names(content))
            box.setEnabled(has_content)
            box.setChecked(has_content and key in choice.kinds)
            box.setToolTip(kind.tip if has_content else f"{kind.tip}.\n{kind.lack(content)}")
            box.toggled.connect(self._show)
            column.addWidget(box)
        self.expert_box = QCheckBox("with the expert's outline in its pictures")
        self.expert_box.setChecked(choice.with_expert and content.case.mask is not None)
        self.expert_box.setVisible(content.case.mask is not None)
        inset = QHBoxLayout()
        inset.setContentsMargins(24, 0, 0, 0)
        inset.addWidget(self.expert_box)
        # It belongs to the report, wherever other kinds come to stand.
        column.insertLayout(column.indexOf(self.boxes[REPORT]) + 1, inset)
        self.remark = QLabel()
        self.remark.setWordWrap(True)
        self.remark.setTextFormat(Qt.TextFormat.PlainText)
        column.addWidget(self.remark)
        column.addStretch()
        self._scroll = DialogScroll(rows)
        buttons = QDialogButtonBox()
        save = buttons.addButton("Save", QDialogButtonBox.ButtonRole.AcceptRole)
        cancel = buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        assert save is not None
        assert cancel is not None
        self.save_button: QPushButton = save
        cancel.setAutoDefault(False)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(place)
        layout.addWidget(self._scroll, 1)
        layout.addWidget(buttons)
        self.setTabOrder(self.folder_line, browse)
        self.setTabOrder(browse, self.name_line)
        for line in (self.folder_line, self.name_line):
            line.textChanged.connect(self._show)
        self._show()

    @property
    def folder(self) -> Path:
        """The folder in the line."""
        return Path(self.folder_line.text().strip()).expanduser()

    @property
    def name(self) -> str:
        """What the case is called in what is saved."""
        own, text = self._content.case.name, self.name_line.text()
        return own if text == own else text.strip()

    @property
    def _is_renamed(self) -> bool:
        return self.name != self._content.case.name

    @property
    def kinds(self) -> frozenset[str]:
        """What is ticked."""
        return frozenset(key for key, box in self.boxes.items() if box.isChecked())

    @property
    def choice(self) -> SaveChoice:
        """What is chosen now; kinds that cannot be had this time stay as they were."""
        passed_over = {key for key, box in self.boxes.items() if not box.isEnabled()} & self._first.kinds
        folder = None if self.folder == case_folder(self._content.case) else self.folder
        has_expert = self._content.case.mask is not None
        with_expert = self.expert_box.isChecked() if has_expert else self._first.with_expert
        return SaveChoice(folder, self.kinds | passed_over, with_expert)

    @property
    def replaced(self) -> list[str]:
        """Names of files that are there already."""
        files = result_files(self.folder, self.kinds, self._content.named(self.name))
        return [file.name for file in files if file.exists()]

    def accept(self) -> None:
        """Close, unless files would be replaced and the user does not want that."""
        if self.save_button.isEnabled() and (not self.replaced or self._confirm()):
            super().accept()

    def _confirm(self) -> bool:
        names = self.replaced
        shown = [*names[:_MOST_NAMES], *(["…"] if len(names) > _MOST_NAMES else [])]
        question = f"{_these_are(names)} there already:\n\n" + "\n".join(shown) + "\n\nReplace?"
        return bool(QMessageBox.question(self, "Replace files?", question) == QMessageBox.StandardButton.Yes)

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Save in", self.folder_line.text())
        if chosen:
            self.folder_line.setText(chosen)

    def _problem(self) -> str:
        """What is wrong with the folder or the name; a folder is made where there is one for it to lie in."""
        if self._is_renamed and (reason := what_is_wrong(self.name)):
            return reason
        if not self.folder_line.text().strip():
            return "Choose a folder."
        try:
            if self.folder.exists():
                if not self.folder.is_dir():
                    return "This is a file; choose a folder."
                may = os.access(self.folder, os.W_OK | os.X_OK)
                return "" if may else "You may not save in this folder; choose another one."
            return "" if self.folder.parent.is_dir() else f"{self.folder.parent} does not exist; choose another folder."
        except OSError as error:  # a name that is too long, a folder that may not be read
            return f"This folder cannot be used ({error.strerror}); choose another one."

    def _show(self) -> None:
        self.expert_box.setEnabled(self.boxes[REPORT].isChecked())
        self.folder_line.setToolTip(self.folder_line.text())
        problem = self._problem()
        self.save_button.setEnabled(not problem and bool(self.kinds))
        if problem:
            self.remark.setText(problem)
        elif not self.kinds:
            self.remark.setText("Tick what is to be saved.")
        else:
            remarks = [] if self.folder.exists() else ["This folder will be made."]
            if replaced := self.replaced:
                remarks.append(f"{_these_are(replaced)} there already: {', '.join(replaced)}")
            if self._is_renamed and self.boxes[SEGMENTATION].isChecked():
                remarks.append("The DICOM segmentation names the patient all the same.")
            self.remark.setText("\n".join(remarks))
        # A layout does not make its window higher for a text that got longer.
        self.grow_for(self._scroll)


def _these_are(names: list[str]) -> str:
    return "1 file is" if len(names) == 1 else f"{len(names)} files are"
