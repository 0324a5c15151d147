from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QMessageBox, QPushButton

from napari_ddmd.case import Case
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.case_names import call, what_is_wrong
from napari_ddmd.viewer.saving import KINDS, SEGMENTATION, USUAL
from napari_ddmd.viewer.widgets.fitted_dialog import DialogScroll
from napari_ddmd.viewer.widgets.save_dialog import SaveChoice, SaveDialog
from tests.results import finished
from tests.viewer.test_case_folder import of_study


@pytest.fixture
def content(case: Case) -> Saveable:
    volumes = finished(case)
    return Saveable(case=case, mask=volumes.mask(), volumes=volumes, is_models=True)


@pytest.fixture
def drawn(case: Case) -> Saveable:
    assert case.mask is not None
    return Saveable(case=case, mask=case.mask)


def open_dialog(qtbot: QtBot, content: Saveable, choice: SaveChoice | None = None) -> SaveDialog:
    dialog = SaveDialog(content, choice or SaveChoice())
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def test_it_begins_beside_the_case_with_the_usual(qtbot: QtBot, content: Saveable) -> None:
    dialog = open_dialog(qtbot, content)
    assert dialog.folder == content.case.files.images["t1"].parent
    assert dialog.kinds == USUAL
    assert dialog.choice == SaveChoice()
    assert set(dialog.boxes) == set(KINDS)
    # A case of NIfTI files has no study that a DICOM segmentation could lie over.
    assert [key for key, box in dialog.boxes.items() if not box.isEnabled()] == ["segmentation"]
    assert "was not opened from a DICOM study" in dialog.boxes["segmentation"].toolTip()
    assert dialog.save_button.isEnabled()


@pytest.mark.parametrize("folder", ["there", "new", "cannot be"])
def test_all_of_it_is_seen_at_once(qtbot: QtBot, content: Saveable, tmp_path: Path, folder: str) -> None:
    (tmp_path / "there").mkdir()
    place = {"there": tmp_path / "there", "new": tmp_path / "new", "cannot be": tmp_path / "no" / "new"}[folder]
    dialog = open_dialog(qtbot, content, SaveChoice(place))
    qtbot.waitExposed(dialog)
    scroll = dialog.findChild(DialogScroll)
    assert scroll is not None
    bar = scroll.verticalScrollBar()
    assert bar is not None
    assert bar.maximum() == 0
    assert (dialog.remark.text() == "") is (folder == "there")


def test_a_case_without_files_begins_at_home(qtbot: QtBot, content: Saveable) -> None:
    case = dataclasses.replace(content.case, files=dataclasses.replace(content.case.files, images={}))
    assert open_dialog(qtbot, dataclasses.replace(content, case=case)).folder == Path.home()


def test_a_case_of_a_study_begins_above_it(qtbot: QtBot, content: Saveable, tmp_path: Path) -> None:
    case = of_study(content.case, tmp_path / "study", folders=True)
    dialog = open_dialog(qtbot, dataclasses.replace(content, case=case))
    assert dialog.folder == tmp_path
    assert dialog.choice.folder is None, "proposed anew for the next case"


def test_what_there_is_not_cannot_be_ticked_and_is_not_forgotten(qtbot: QtBot, drawn: Saveable, tmp_path: Path) -> None:
    dialog = open_dialog(qtbot, drawn, SaveChoice(tmp_path, frozenset(("mask", "maps"))))
    assert not dialog.boxes["maps"].isEnabled()
    assert not dialog.boxes["maps"].isChecked()
    assert "before a run" in dialog.boxes["maps"].toolTip()
    assert dialog.kinds == {"mask"}
    dialog.boxes["lesions"].setChecked(True)
    assert dialog.choice == SaveChoice(tmp_path, frozenset(("mask", "lesions", "maps")))


def test_files_that_are_there_are_listed_and_asked_about(
    qtbot: QtBot, content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mask.nii.gz", "intra.nii.gz", "report.html"):
        (tmp_path / f"Small_001_{name}").write_text("mine")
    questions: list[str] = []
    answer = [QMessageBox.StandardButton.No]

    def question(_parent: object, _title: str, text: str) -> QMessageBox.StandardButton:
        questions.append(text)
        return answer[0]

    monkeypatch.setattr(QMessageBox, "question", question)
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path))
    assert dialog.replaced == ["Small_001_mask.nii.gz", "Small_001_report.html"]
    assert dialog.remark.text() == "2 files are there already: Small_001_mask.nii.gz, Small_001_report.html"
    dialog.save_button.click()
    assert dialog.isVisible()
    assert questions == ["2 files are there already:\n\nSmall_001_mask.nii.gz\nSmall_001_report.html\n\nReplace?"]
    answer[0] = QMessageBox.StandardButton.Yes
    dialog.save_button.click()
    assert dialog.result() == QDialog.DialogCode.Accepted
    (tmp_path / "Small_001_mask.nii.gz").unlink()
    (tmp_path / "Small_001_report.html").unlink()
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path))
    assert dialog.remark.text() == ""
    dialog.save_button.click()
    assert len(questions) == 2


def test_a_new_folder_is_announced(qtbot: QtBot, content: Saveable, tmp_path: Path) -> None:
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path / "new"))
    assert dialog.remark.text() == "This folder will be made."
    dialog.save_button.click()
    assert dialog.result() == QDialog.DialogCode.Accepted
    assert not (tmp_path / "new").exists()  # it is made when something is written


def test_a_folder_that_cannot_be_or_nothing_ticked_cannot_be_saved(
    qtbot: QtBot, content: Saveable, tmp_path: Path
) -> None:
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path))
    (tmp_path / "file").touch()
    for nowhere, said in (
        (str(tmp_path / "nowhere" / "new"), f"{tmp_path / 'nowhere'} does not exist; choose another folder."),
        (str(tmp_path / "file"), "This is a file; choose a folder."),
        (str(tmp_path / ("x" * 300)), "This folder cannot be used (File name too long); choose another one."),
        ("", "Choose a folder."),
        ("  ", "Choose a folder."),
    ):
        dialog.folder_line.setText(nowhere)
        assert not dialog.save_button.isEnabled()
        assert dialog.remark.text() == said
        qtbot.keyClick(dialog.folder_line, Qt.Key.Key_Return)
        assert dialog.isVisible()
    dialog.folder_line.setText(str(tmp_path))
    assert dialog.save_button.isEnabled()
    for box in dialog.boxes.values():
        box.setChecked(False)
    assert not dialog.save_button.isEnabled()
    assert dialog.remark.text() == "Tick what is to be saved."


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such mode there")
def test_a_folder_that_may_not_be_used_is_told_of(
    qtbot: QtBot, content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != shut)  # an administrator may do all
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path))
    dialog.folder_line.setText(str(shut))
    assert not dialog.save_button.isEnabled()
    assert dialog.remark.text() == "You may not save in this folder; choose another one."


def test_another_name_is_that_of_the_files(qtbot: QtBot, content: Saveable, tmp_path: Path) -> None:
    (tmp_path / "Patient 7_mask.nii.gz").touch()
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path))
    assert dialog.name == content.case.name
    assert dialog.replaced == []
    dialog.name_line.setText(" Patient 7 ")
    assert dialog.name == "Patient 7"
    assert dialog.replaced == ["Patient 7_mask.nii.gz"]
    assert "Patient 7_mask.nii.gz" in dialog.remark.text()
    assert dialog.save_button.isEnabled()


def test_the_name_that_was_given_is_offered_again(qtbot: QtBot, content: Saveable) -> None:
    call(content.case, "Patient 7")
    assert open_dialog(qtbot, content).name == "Patient 7"
    namesake = dataclasses.replace(content, case=dataclasses.replace(content.case))
    assert open_dialog(qtbot, namesake).name == content.case.name, "another patient's folder may be called the same"


@pytest.mark.parametrize("name", ["", "a/b", "脳" * 100, "T1 7"])
def test_a_name_that_files_cannot_bear_is_not_saved(qtbot: QtBot, content: Saveable, name: str) -> None:
    dialog = open_dialog(qtbot, content)
    dialog.name_line.setText(name)
    assert not dialog.save_button.isEnabled()
    assert dialog.remark.text() == what_is_wrong(name) != ""


@pytest.mark.parametrize("name", ["10:30", "T1 of Anna ", "x" * 150])
def test_a_case_may_be_saved_under_its_own_name(qtbot: QtBot, content: Saveable, name: str) -> None:
    dialog = open_dialog(qtbot, content.named(name))
    assert dialog.name == name
    assert dialog.save_button.isEnabled()


def test_that_a_segmentation_names_the_patient_is_said(
    qtbot: QtBot, content: Saveable, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = dataclasses.replace(KINDS[SEGMENTATION], names=lambda content: [f"{content.case.name}_seg.dcm"])
    monkeypatch.setitem(KINDS, SEGMENTATION, kind)
    dialog = open_dialog(qtbot, content)
    dialog.boxes[SEGMENTATION].setChecked(True)
    assert "names the patient" not in dialog.remark.text()
    dialog.name_line.setText("Patient 7")
    assert "The DICOM segmentation names the patient all the same." in dialog.remark.text()


def test_the_tab_key_goes_along_the_rows(qtbot: QtBot, content: Saveable) -> None:
    dialog = open_dialog(qtbot, content)
    widget, reached = dialog.folder_line.nextInFocusChain(), []
    while widget is not dialog.name_line:
        assert widget is not None
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.append(widget)
        widget = widget.nextInFocusChain()
    assert [one.text() for one in reached if isinstance(one, QPushButton)] == ["Browse…"]
    assert len(reached) == 1


def test_a_folder_can_be_looked_for(
    qtbot: QtBot, content: Saveable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [str(tmp_path), ""]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    dialog = open_dialog(qtbot, content)
    dialog._browse()
    assert dialog.choice.folder == tmp_path
    dialog._browse()
    assert dialog.folder == tmp_path


def test_the_experts_outline_goes_with_the_report(qtbot: QtBot, content: Saveable) -> None:
    dialog = open_dialog(qtbot, content, SaveChoice(with_expert=True))
    assert dialog.expert_box.isChecked()
    dialog.boxes["report"].setChecked(False)
    assert not dialog.expert_box.isEnabled()
    case = dataclasses.replace(content.case, mask=None)
    dialog = open_dialog(qtbot, dataclasses.replace(content, case=case), SaveChoice(with_expert=True))
    assert not dialog.expert_box.isVisible()
    assert dialog.choice.with_expert  # for the next case that has one


def test_the_window_grows_with_the_list(qtbot: QtBot, content: Saveable, tmp_path: Path) -> None:
    dialog = open_dialog(qtbot, content, SaveChoice(tmp_path, frozenset(KINDS)))
    before, area = dialog.height(), dialog.screen().availableGeometry()
    dialog.move(dialog.x(), area.bottom() - before)  # at the lower end of the screen
    for kind in KINDS.values():
        for name in kind.names(content):
            (tmp_path / name).write_text("")
    dialog.folder_line.setText(f"{tmp_path}/")
    assert len(dialog.replaced) == 8
    qtbot.waitUntil(lambda: dialog.height() > before)
    needed = dialog.remark.heightForWidth(dialog.remark.width())
    qtbot.waitUntil(lambda: dialog.remark.height() >= needed)
    qtbot.waitUntil(lambda: dialog.frameGeometry().bottom() <= area.bottom())
    assert dialog.y() >= area.top()
