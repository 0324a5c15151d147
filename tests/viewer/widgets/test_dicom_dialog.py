from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QDialog

from napari_ddmd.case import MODALITIES
from napari_ddmd.dicom import Study, find_study, propose
from napari_ddmd.viewer.widgets.dicom_dialog import SeriesDialog, choose_series
from tests.dicom.studies import StudyWriter, flat


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Four good series, a scout, and one that lacks a slice."""
    writer = StudyWriter(tmp_path / "s")
    writer.four(dict.fromkeys(MODALITIES, flat(spacing=1)))
    writer.series(flat(), "localizer")
    writer.series(flat(), "t2_tse <b>cor</b>", left_out=(4,))
    (writer.folder / "broken.dcm").write_text("")
    return find_study(writer.folder)


@pytest.fixture
def dialog(study: Study, qtbot: QtBot) -> SeriesDialog:
    made = SeriesDialog(propose(study))
    qtbot.addWidget(made)
    made.show()
    return made


def numbers(dialog: SeriesDialog) -> dict[str, int | None]:
    return {modality: series.facts.number for modality, series in dialog.assignment.items()}


def cells(dialog: SeriesDialog, row: int) -> list[str]:
    items = [dialog.table.item(row, column) for column in range(1, dialog.table.columnCount())]
    return [item.text() for item in items if item is not None]


def test_the_guesses_are_chosen_at_first(dialog: SeriesDialog) -> None:
    assert numbers(dialog) == {"t1": 1, "t1ce": 2, "t2": 3, "flair": 4}
    assert dialog.ok_button.isEnabled()
    assert dialog.problem.text() == ""
    assert [combo.currentText() for combo in dialog.combos] == ["T1", "T1ce", "T2", "FLAIR", "–", "–"]
    assert cells(dialog, 0)[:5] == ["1", "t1_se_tra", "12", "1 × 1 × 1", "axial"]
    assert cells(dialog, 4)[5] == "left out: scout"
    assert dialog.remark.text() == "1 file could not be read and is left out."


def test_a_correction_takes_the_modality_from_the_other_series(dialog: SeriesDialog) -> None:
    dialog.combos[4].setCurrentIndex(dialog.combos[4].findData("t2"))
    assert numbers(dialog) == {"t1": 1, "t1ce": 2, "t2": 5, "flair": 4}
    assert dialog.combos[2].currentText() == "–"
    fonts = [dialog.table.item(row, 2).font().bold() for row in (2, 4)]  # type: ignore[union-attr]
    assert fonts == [False, True]


def test_what_is_missing_is_told(dialog: SeriesDialog) -> None:
    dialog.combos[0].setCurrentIndex(0)
    assert dialog.problem.text().startswith("T1 is missing: no discrepancy maps, and a less accurate lesion")
    assert dialog.ok_button.isEnabled(), "three make a case"
    assert set(numbers(dialog)) == {"t1ce", "t2", "flair"}
    dialog.combos[1].setCurrentIndex(0)
    assert dialog.problem.text() == "No series is chosen for T1 and T1ce."
    assert not dialog.ok_button.isEnabled()
    for row, modality in enumerate(("t1", "t1ce")):
        dialog.combos[row].setCurrentIndex(dialog.combos[row].findData(modality))
    assert dialog.ok_button.isEnabled()
    assert dialog.problem.text() == ""


def test_a_series_that_makes_no_volume_cannot_be_chosen(dialog: SeriesDialog) -> None:
    assert not dialog.combos[5].isEnabled()
    assert "lacks 1 slice" in dialog.combos[5].toolTip()
    assert "lacks 1 slice" in cells(dialog, 5)[5]


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_the_answer_is_returned(study: Study, qtbot: QtBot, tmp_path: Path, answer: str) -> None:
    mask = tmp_path / "brain.nii.gz"
    mask.touch()

    def press() -> None:
        (open_,) = [w for w in QApplication.topLevelWidgets() if isinstance(w, SeriesDialog) and w.isVisible()]
        assert isinstance(open_, QDialog)
        open_.mask_edit.value = mask
        getattr(open_, answer)()

    QTimer.singleShot(200, press)
    chosen = choose_series(None, study)
    if answer == "reject":
        assert chosen is None
    else:
        assert chosen is not None
        assert [series.facts.number for series in chosen.series.values()] == [1, 2, 3, 4]
        assert chosen.brain_mask == mask


def test_a_brain_mask_is_optional(dialog: SeriesDialog, tmp_path: Path) -> None:
    assert dialog.brain_mask is None
    dialog.mask_edit.value = tmp_path / "brain.nii.gz"
    assert dialog.brain_mask == tmp_path / "brain.nii.gz"
    assert dialog.problem.text() == "There is no file brain.nii.gz for the brain mask."
    assert not dialog.ok_button.isEnabled()
    (tmp_path / "brain.nii.gz").touch()
    dialog.mask_edit.line_edit.value = f" {tmp_path / 'brain.nii.gz'} "
    assert dialog.brain_mask == tmp_path / "brain.nii.gz"
    assert dialog.ok_button.isEnabled()
    dialog.mask_edit.line_edit.value = "~nobody-of-this-name/brain.nii.gz"
    assert not dialog.ok_button.isEnabled()
    dialog.mask_edit.line_edit.value = "  "
    assert dialog.brain_mask is None
    assert dialog.ok_button.isEnabled()


def test_several_examinations_are_told(tmp_path: Path, qtbot: QtBot) -> None:
    for name in ("a", "b"):
        StudyWriter(tmp_path / name).four(dict.fromkeys(MODALITIES, flat()))
    dialog = SeriesDialog(propose(find_study(tmp_path)))
    qtbot.addWidget(dialog)
    assert "The folder holds 2 examinations" in dialog.remark.text()


def test_several_names_are_told(tmp_path: Path, qtbot: QtBot) -> None:
    writer = StudyWriter(tmp_path)
    for name in MODALITIES:
        writer.four({name: flat()}, PatientName="Roe^Max" if name == "t2" else "Doe^Jane")
    dialog = SeriesDialog(propose(find_study(tmp_path)))
    qtbot.addWidget(dialog)
    assert dialog.remark.text().startswith("The series that were taken bear 2 patients' names: ")
