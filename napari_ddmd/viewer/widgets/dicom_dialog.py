"""The dialog in which a person says which series of a study is which modality."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from magicgui.types import FileDialogMode
from magicgui.widgets import FileEdit
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QFont, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.dicom import Candidate, Proposal, Series, Study, assignment_problem, propose
from napari_ddmd.dicom.examinations import examinations_remark, names_remark
from napari_ddmd.missing import cost_of_missing
from napari_ddmd.viewer.widgets.fitted_dialog import FittedDialog

_COLUMNS: Final = ("Use as", "No.", "Description", "Slices", "Voxel, mm", "Plane", "Recognised as")
_USE, _NUMBER, _DESCRIPTION, _SLICES, _VOXEL, _PLANE, _REASON = range(len(_COLUMNS))
_UNUSED: Final = "–"
# Of a description, in pixels. What does not fit stands in full in its tool tip.
_NARROWEST, _WIDEST = 130, 300
_LOWEST_TABLE: Final = 200
_MASK_TIP: Final = (
    "Optional: a NIfTI file that another tool has made of this study, above 0 in the brain. All else becomes 0: the "
    "models know brains without their skull"
)


@dataclass(frozen=True)
class StudyChoice:
    """What a person has chosen of a study, for `napari_ddmd.dicom.load.load_study`.

    Attributes
    ----------
    series : dict of str to Series
        The series of all four modalities, or of all but one.
    brain_mask : Path or None
        A NIfTI file outside of which the images become 0.
    """

    series: dict[str, Series]
    brain_mask: Path | None = None


def choose_series(parent: QWidget | None, study: Study | Proposal) -> StudyChoice | None:
    """Ask which series of a study is which modality, and for a brain mask.

    Parameters
    ----------
    parent : QWidget or None
        The dialog stands before it.
    study : Study or Proposal
        What was found in the folder; a study's series are guessed here, which takes milliseconds.

    Returns
    -------
    StudyChoice or None
        None where the user cancelled.
    """
    dialog = SeriesDialog(study if isinstance(study, Proposal) else propose(study), parent)
    is_accepted = dialog.exec() == QDialog.DialogCode.Accepted
    dialog.deleteLater()
    return StudyChoice(dialog.assignment, dialog.brain_mask) if is_accepted else None


class SeriesDialog(FittedDialog):
    """A table of series, each with a list of what to use it as, and a place for a brain mask.

    Parameters
    ----------
    proposal : Proposal
        What is chosen at first.
    """

    def __init__(self, proposal: Proposal, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._candidates = proposal.candidates
        self.setWindowTitle("Series of the DICOM study")
        self.combos: list[QComboBox] = []
        self.table = _SeriesTable(len(self._candidates), len(_COLUMNS))
        self._fill_table()
        self.remark = _text("\n".join(_remarks(proposal)))
        self.remark.setVisible(bool(self.remark.text()))
        self.mask_edit = FileEdit(
            mode=FileDialogMode.EXISTING_FILE, filter="NIfTI (*.nii *.nii.gz)", nullable=True, label="Brain mask"
        )
        self.mask_edit.choose_btn.text = "Choose…"
        self.mask_edit.native.setToolTip(_MASK_TIP)
        self.mask_edit.line_edit.native.setPlaceholderText("none: the images stay as they are")
        self.mask_edit.line_edit.native.setAccessibleName("Brain mask")
        self.problem = _text("")
        buttons = QDialogButtonBox()
        ok = buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        assert ok is not None
        self.ok_button = ok
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(_text("Which series are T1, T1ce, T2 and FLAIR? Correct the guesses where they are wrong."))
        layout.addWidget(self.remark)
        layout.addWidget(self.table, 1)
        mask = QHBoxLayout()
        label = QLabel("Brain mask")
        label.setToolTip(_MASK_TIP)
        label.setBuddy(self.mask_edit.native)
        mask.addWidget(label)
        mask.addWidget(self.mask_edit.native, 1)
        layout.addLayout(mask)
        # Side by side: the table stays where it is when there is something to say.
        last = QHBoxLayout()
        last.addWidget(self.problem, 1)
        last.addWidget(buttons, 0, Qt.AlignmentFlag.AlignBottom)
        layout.addLayout(last)
        self.mask_edit.line_edit.changed.connect(self._show)
        self._show()

    @property
    def assignment(self) -> dict[str, Series]:
        """The series that are chosen now, by modality."""
        chosen = {combo.currentData(): one.series for combo, one in zip(self.combos, self._candidates, strict=True)}
        return {modality: chosen[modality] for modality in MODALITIES if modality in chosen}

    @property
    def brain_mask(self) -> Path | None:
        """The file that is chosen now."""
        text = self.mask_edit.line_edit.value.strip()  # magicgui reads an empty line as the current folder
        return Path(os.path.expanduser(text)) if text else None  # noqa: PTH111 - pathlib raises for an unknown user

    def _fill_table(self) -> None:
        for column, title in enumerate(_COLUMNS):
            head = QTableWidgetItem(title)
            head.setTextAlignment(_alignment(column))
            self.table.setHorizontalHeaderItem(column, head)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setAccessibleName("Series of the study")
        rows = self.table.verticalHeader()
        assert rows is not None
        rows.setVisible(False)
        for row, one in enumerate(self._candidates):
            self.combos.append(self._combo(one))
            self.table.setCellWidget(row, _USE, self.combos[-1])
            for column, text in _cells(one).items():
                item = QTableWidgetItem(text)
                if column in (_DESCRIPTION, _REASON):
                    item.setToolTip(text)
                item.setTextAlignment(_alignment(column))
                self.table.setItem(row, column, item)
        self._embolden()
        self.table.resizeRowsToContents()

    def _combo(self, candidate: Candidate) -> QComboBox:
        combo = QComboBox()
        combo.addItem(_UNUSED, None)
        combo.setItemData(0, "This series is not used", Qt.ItemDataRole.ToolTipRole)
        for modality in MODALITIES:
            combo.addItem(MODALITY_LABELS[modality], modality)
        combo.setCurrentIndex(combo.findData(candidate.modality))
        combo.setAccessibleName(f"Use {candidate.series.label} as")
        if candidate.series.problem is not None:
            combo.setEnabled(False)
            combo.setToolTip(f"This series {candidate.series.problem}")
        combo.currentIndexChanged.connect(lambda _index: self._on_chosen(combo))
        return combo

    def _on_chosen(self, changed: QComboBox) -> None:
        """Take the modality from the series that had it before."""
        for combo in self.combos:
            if combo is not changed and combo.currentData() == changed.currentData() is not None:
                combo.blockSignals(True)
                combo.setCurrentIndex(0)
                combo.blockSignals(False)
        self._show()

    def _show(self, _text: object = None) -> None:
        chosen, brain_mask = self.assignment, self.brain_mask
        problem = assignment_problem(chosen, allow_missing=True)
        if problem is None and brain_mask is not None and not brain_mask.is_file():
            problem = f"there is no file {brain_mask.name} for the brain mask"
        lacking = " ".join(cost_of_missing(modality) for modality in MODALITIES if modality not in chosen)
        self.problem.setText(lacking if problem is None else f"{problem[:1].upper()}{problem[1:]}.")
        self.ok_button.setEnabled(problem is None)
        self._embolden()

    def _embolden(self) -> None:
        """Let the rows that are used stand out."""
        for row, combo in enumerate(self.combos):
            font = QFont(self.table.font())
            font.setBold(combo.currentData() is not None)
            for column in range(_NUMBER, len(_COLUMNS)):
                item = self.table.item(row, column)
                assert item is not None
                item.setFont(font)
        # Bold letters are wider.
        self.table.fit_columns()


class _SeriesTable(QTableWidget):
    """Gives the room that it has to the descriptions and the reasons; with less than they need, it scrolls."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setStyleSheet("QHeaderView::section { padding: 2px 4px; }")
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at which nothing has to be scrolled."""
        header, rows, bar = self.horizontalHeader(), self.verticalHeader(), self.verticalScrollBar()
        assert header is not None
        assert rows is not None
        assert bar is not None
        frame = 2 * self.frameWidth()
        width = sum(self._natural_widths()) + bar.sizeHint().width()
        height = header.sizeHint().height() + rows.length() + 1
        return QSize(width + frame, max(height + frame, _LOWEST_TABLE))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Fit the columns."""
        super().resizeEvent(event)
        self.fit_columns()

    def fit_columns(self) -> None:
        """Share the room out: a description gives way first, a reason takes what is left."""
        widths, viewport = self._natural_widths(), self.viewport()
        left = 0 if viewport is None else viewport.width() - sum(widths)
        if left < 0:
            widths[_DESCRIPTION] = max(widths[_DESCRIPTION] + left, min(widths[_DESCRIPTION], _NARROWEST))
        else:
            widths[_REASON] += left
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width)

    def _natural_widths(self) -> list[int]:
        header, metrics = self.horizontalHeader(), self.fontMetrics()
        assert header is not None
        widths = [max(self.sizeHintForColumn(n), header.sectionSizeHint(n)) for n in range(self.columnCount())]
        widths[_DESCRIPTION] = min(widths[_DESCRIPTION], _WIDEST)
        # The lists get their arrow and margins from napari's style, which comes after this.
        widest = max(metrics.horizontalAdvance(label) for label in MODALITY_LABELS.values())
        widths[_USE] = widest + 5 * metrics.horizontalAdvance("M")
        return widths


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in (_NUMBER, _SLICES, _VOXEL) else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _cells(candidate: Candidate) -> dict[int, str]:
    series = candidate.series
    return {
        _NUMBER: "" if series.facts.number is None else str(series.facts.number),
        _DESCRIPTION: series.facts.description or series.facts.protocol,
        _SLICES: str(len(series.slices)),
        _VOXEL: " × ".join(f"{size:.2g}" for size in series.spacing),
        _PLANE: series.plane,
        _REASON: candidate.reason,
    }


def _remarks(proposal: Proposal) -> list[str]:
    several = examinations_remark(proposal.study, proposal.assignment)
    check = [f"{several}: check that all four series are of the one that you want"] if several else []
    check += filter(None, [names_remark(proposal.assignment.values())])
    return [f"{text[:1].upper()}{text[1:]}." for text in (*check, *proposal.study.remarks)]


def _text(text: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)  # descriptions come from files
    label.setWordWrap(True)
    return label
