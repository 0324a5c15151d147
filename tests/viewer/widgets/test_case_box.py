from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPoint, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_ddmd.case import MODALITIES, Case, CaseError, CaseWarning
from napari_ddmd.viewer.case_choice import open_cases
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.widgets.case_box import CaseBox
from tests.viewer.conftest import add_case, add_plain_images


@pytest.fixture
def empty(qtbot: QtBot) -> tuple[ViewerModel, CaseBox]:
    viewer = ViewerModel()
    box = CaseBox(viewer, ViewerLinks())
    qtbot.addWidget(box)
    return viewer, box


@pytest.fixture
def filled(empty: tuple[ViewerModel, CaseBox], case: Case) -> tuple[ViewerModel, CaseBox]:
    add_case(empty[0], case)
    return empty


@pytest.fixture
def without_t1(empty: tuple[ViewerModel, CaseBox], case: Case) -> tuple[ViewerModel, CaseBox]:
    """Images of no case without T1, with which the user goes on."""
    viewer, box = empty
    add_plain_images(viewer, case)
    viewer.layers.remove("a_t1")
    box.missing_box.click()
    return empty


def test_modalities_are_guessed(filled: tuple[ViewerModel, CaseBox], case: Case) -> None:
    viewer, box = filled
    assert box.case_list.currentText() == "Small_001"
    assert {name: combo.value for name, combo in box.modalities.items()} == {
        name: viewer.layers[name] for name in MODALITIES
    }
    assert box.problem() is None
    assert box.case() is case


def test_layers_of_other_plugins_are_guessed_too(empty: tuple[ViewerModel, CaseBox], case: Case) -> None:
    viewer, box = empty
    for name, image in zip(("a_t1n", "a_t1c", "a_t2w", "a_t2f"), case.images, strict=True):
        viewer.add_layer(Image(image, name=name, scale=case.spacing))
    assert box.case_list.currentText() == "other layers"
    assert box.problem() is None
    np.testing.assert_array_equal(box.case().images, case.images)
    assert box.case() is box.case()


def test_an_assumed_orientation_is_warned_of_once(
    empty: tuple[ViewerModel, CaseBox], case: Case, notifications: list[Notification]
) -> None:
    viewer, box = empty
    add_plain_images(viewer, case)
    assert box.problem() is None
    assert [note.severity for note in notifications] == ["warning"]
    assert "orientation is assumed" in notifications[0].message
    # Neither when it is asked for again, nor when another layer takes a part.
    box.case()
    box.modalities["t2"].value = viewer.layers["a_flair"]
    box.modalities["flair"].value = viewer.layers["a_t2"]
    np.testing.assert_array_equal(box.case().images, case.images[[0, 1, 3, 2]])
    assert len(notifications) == 1


def test_remarks_on_a_case_that_was_opened_are_not_repeated(
    empty: tuple[ViewerModel, CaseBox], case: Case, notifications: list[Notification]
) -> None:
    viewer, box = empty
    odd = dataclasses.replace(case, warnings=("the header is odd",))
    add_case(viewer, odd)
    assert box.case() is odd
    assert notifications == []


def test_a_guess_can_be_corrected(filled: tuple[ViewerModel, CaseBox], case: Case, qtbot: QtBot) -> None:
    viewer, box = filled
    with qtbot.waitSignal(box.changed):
        box.modalities["t1"].value = viewer.layers["t2"]
    assert "stands for t1 and t2" in (box.problem() or "")
    box.modalities["t2"].value = viewer.layers["t1"]
    assert box.problem() is None
    np.testing.assert_array_equal(box.case().images, case.images[[2, 1, 0, 3]])
    # The correction outlasts what else happens to the layers.
    viewer.add_image(np.zeros((3, 3)))
    viewer.layers["t1ce"].name = "renamed"
    assert box.modalities["t1"].value is viewer.layers["t2"]
    assert box.modalities["t1ce"].value is viewer.layers["renamed"]


def test_a_removed_layer_leaves_a_gap(filled: tuple[ViewerModel, CaseBox]) -> None:
    viewer, box = filled
    viewer.layers.remove("flair")
    assert box.modalities["flair"].value is None
    assert box.problem() == "No FLAIR image: choose its layer, or tick that you go on without it."
    viewer.layers.remove("t2")
    assert box.problem() == "t2: no layer chosen; choose one, or open a case"
    viewer.layers.clear()
    assert box.case_list.currentText() == "no case is open"
    assert "Open a case" in (box.problem() or "")


def test_the_newest_case_is_chosen(filled: tuple[ViewerModel, CaseBox], case: Case, qtbot: QtBot) -> None:
    viewer, box = filled
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    assert box.case_list.currentText() == "Other"
    assert box.case() is other
    with qtbot.waitSignal(box.changed):
        box.case_list.setCurrentIndex(0)
    assert box.case() is case


def test_a_case_is_opened_in_the_background(
    empty: tuple[ViewerModel, CaseBox], small_case_folder: Path, qtbot: QtBot
) -> None:
    viewer, box = empty
    box.open_case(small_case_folder)
    assert not box.open_button.isEnabled()
    qtbot.waitUntil(box.open_button.isEnabled, timeout=10_000)
    assert len(viewer.layers) == 5
    assert box.problem() is None


def test_a_case_that_cannot_be_opened_says_why_once(
    empty: tuple[ViewerModel, CaseBox],
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    viewer, box = empty
    box.open_case(write_small_case(tmp_path / "Case_1", skip=("flair", "t2")))
    qtbot.waitUntil(box.open_button.isEnabled, timeout=10_000)
    assert [note.severity for note in notifications] == ["error"]
    assert "no image for t2" in notifications[0].message
    assert len(viewer.layers) == 0


def test_a_folder_of_cases_names_those_that_can_be_opened(
    empty: tuple[ViewerModel, CaseBox],
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    viewer, box = empty
    for name in ("p4", "p3", "p2", "p1"):
        write_small_case(tmp_path / name)
    box.open_case(tmp_path)
    qtbot.waitUntil(box.open_button.isEnabled, timeout=10_000)
    (note,) = notifications
    assert "is a folder of cases; open one of them (p1, p2, p3, …)" in note.message
    assert len(viewer.layers) == 0


def test_a_folder_can_be_dropped_on_the_box(
    empty: tuple[ViewerModel, CaseBox], small_case_folder: Path, qtbot: QtBot
) -> None:
    viewer, box = empty
    drop(box, small_case_folder)
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)


def test_cases_that_are_dropped_together_or_in_a_row_are_all_opened(
    empty: tuple[ViewerModel, CaseBox], tmp_path: Path, write_small_case: Callable[..., Path], qtbot: QtBot
) -> None:
    viewer, box = empty
    first, second, third = (write_small_case(tmp_path / name) for name in ("Case_1", "Case_2", "Case_3"))
    drop(box, *sorted(first.iterdir()), second)
    drop(box, third)
    qtbot.waitUntil(box.open_button.isEnabled, timeout=20_000)
    assert [box.case_list.itemText(index) for index in range(box.case_list.count())] == ["Case_1", "Case_2", "Case_3"]
    assert len(viewer.layers) == 15


def test_cases_of_one_name_are_told_apart(
    empty: tuple[ViewerModel, CaseBox], tmp_path: Path, write_small_case: Callable[..., Path], qtbot: QtBot
) -> None:
    _viewer, box = empty
    drop(box, *(write_small_case(tmp_path / patient / "T0") for patient in ("Patient_1", "Patient_2")))
    qtbot.waitUntil(box.open_button.isEnabled, timeout=20_000)
    titles = [box.case_list.itemText(index) for index in range(box.case_list.count())]
    assert titles == ["T0 (Patient_1)", "T0 (Patient_2)"]


def drop(box: CaseBox, *places: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(place)) for place in places])
    point, action = QPoint(5, 5).toPointF(), Qt.DropAction.CopyAction
    box.dropEvent(QDropEvent(point, action, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier))


def test_a_case_without_one_image_opens_and_waits_for_a_tick(
    empty: tuple[ViewerModel, CaseBox],
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    viewer, box = empty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        box.open_case(write_small_case(tmp_path / "Case_1", skip=("t1ce",)))
        qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=10_000)
    assert "has no t1ce" in notifications[0].message
    assert "No T1ce image" in (box.problem() or "")
    box.missing_box.click()
    assert box.problem() is None
    # The very case that was opened, so that what is saved lies on its files' grid.
    assert box.case() is box.tagged_case
    box.missing_box.click()
    assert "No T1ce image" in (box.problem() or "")
    box.missing_box.click()
    assert box.case() is box.tagged_case


def test_who_goes_on_without_an_image_says_so_of_each_case(filled: tuple[ViewerModel, CaseBox], case: Case) -> None:
    viewer, box = filled
    other = dataclasses.replace(case, name="Other", images=case.images * 2)
    add_case(viewer, other)
    for name in ("t1", "t1 [1]"):
        viewer.layers.remove(name)
    box.choose(case)
    box.missing_box.click()
    assert box.problem() is None
    box.choose(other)
    assert not box.missing_box.isChecked()
    assert "No T1 image" in (box.problem() or "")
    box.choose(case)
    assert box.missing_box.isChecked()
    assert box.problem() is None


def test_layers_of_no_case_keep_the_tick_while_another_case_is_looked_at(
    without_t1: tuple[ViewerModel, CaseBox], case: Case
) -> None:
    viewer, box = without_t1
    assert box.problem() is None
    add_case(viewer, case)
    assert box.tagged_case is case
    assert not box.missing_box.isChecked()
    box.choose(None)
    assert box.problem() is None
    for name in ("a_t1ce", "a_t2", "a_flair"):
        viewer.layers.remove(name)
    add_plain_images(viewer, case)
    viewer.layers.remove("a_t1")
    box.choose(None)
    assert not box.missing_box.isChecked(), "they are others"


def test_why_nothing_was_opened_stays_in_the_panel_until_something_is(
    empty: tuple[ViewerModel, CaseBox],
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    viewer, box = empty
    broken = write_small_case(tmp_path / "Case_1")
    image = next(broken.glob("*flair*"))
    image.write_bytes(image.read_bytes()[:200])
    box.open_case(broken)
    qtbot.waitUntil(lambda: not box.fault.isHidden(), timeout=10_000)
    assert box.fault.text().startswith(f"Not opened: Case_1/{image.name}: ")
    assert str(image) in box.fault.toolTip()
    assert [f"Not opened: Case_1/{note.message}." for note in notifications] == [box.fault.text()]
    box.open_case(write_small_case(tmp_path / "Case_2"))
    assert box.fault.isHidden()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=10_000)
    assert box.fault.isHidden()
    box.dicom_opener.failed.emit(CaseError(f"{tmp_path / 'study'}: holds no DICOM images"))
    assert box.fault.text() == f"Not opened: {tmp_path.name}/study: holds no DICOM images."
    box.dicom_opener.told.emit("Looking for DICOM series")
    assert box.fault.isHidden()


def test_it_goes_whichever_way_the_next_case_comes(
    empty: tuple[ViewerModel, CaseBox],
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    case: Case,
    qtbot: QtBot,
) -> None:
    viewer, box = empty
    broken, whole = (write_small_case(tmp_path / name) for name in ("Case_1", "Case_2"))
    image = next(broken.glob("*flair*"))
    image.write_bytes(image.read_bytes()[:200])
    drop(box, broken, whole)
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=20_000)
    assert box.fault.isHidden(), "the other one was opened after it"
    drop(box, broken)
    qtbot.waitUntil(lambda: not box.fault.isHidden(), timeout=20_000)
    add_case(viewer, case)  # as napari's own reader does, or a session
    assert box.fault.isHidden()


def test_a_study_that_fails_leaves_the_cases_that_are_on_their_way(
    empty: tuple[ViewerModel, CaseBox],
    tmp_path: Path,
    write_small_case: Callable[..., Path],
    notifications: list[Notification],
    qtbot: QtBot,
) -> None:
    viewer, box = empty
    for name in ("Case_1", "Case_2"):
        box.open_case(write_small_case(tmp_path / name))
    box.dicom_opener.failed.emit(CaseError("holds no DICOM images"))
    qtbot.waitUntil(lambda: len(open_cases(viewer.layers)) == 2, timeout=10_000)
    assert [note.message for note in notifications] == ["holds no DICOM images"]


@pytest.mark.parametrize("comes", ["after", "before"])
def test_what_was_said_of_images_of_no_case_goes_with_the_last_of_them(
    comes: str, filled: tuple[ViewerModel, CaseBox], case: Case
) -> None:
    viewer, box = filled
    box.choose(None)
    viewer.layers.clear()

    def open_plain() -> None:
        add_plain_images(viewer, dataclasses.replace(case, name="Other", images=case.images * 2))
        viewer.layers.remove(viewer.layers["a_t1"])

    add_plain_images(viewer, case)
    old = list(viewer.layers)
    viewer.layers.remove(old.pop(0))
    assert box.tagged_case is None
    box.missing_box.click()
    assert box.goes_without
    if comes == "before":
        add_case(viewer, case)
        open_plain()
    for layer in old:
        viewer.layers.remove(layer)
    if comes == "after":
        open_plain()
    box.choose(None)
    assert not box.goes_without
    assert not box.missing_box.isChecked()


def test_it_holds_for_layers_whose_names_tell_nothing(filled: tuple[ViewerModel, CaseBox], case: Case) -> None:
    viewer, box = filled
    viewer.layers.clear()
    add_plain_images(viewer, case)
    for number, layer in enumerate(viewer.layers):
        layer.name = f"image {number}"
    for combo, number in zip(list(box.modalities.values())[1:], (1, 2, 3), strict=True):
        combo.value = viewer.layers[f"image {number}"]
    box.missing_box.click()
    assert box.goes_without
    viewer.add_labels(np.zeros(case.grid.shape, np.uint8))
    assert box.goes_without


def test_what_was_said_of_one_patients_images_is_not_said_of_anothers_that_are_chosen_by_hand(
    without_t1: tuple[ViewerModel, CaseBox], case: Case
) -> None:
    viewer, box = without_t1
    assert box.goes_without
    known = set(viewer.layers)
    add_plain_images(viewer, dataclasses.replace(case, name="Other", images=case.images * 2))
    others = [layer for layer in viewer.layers if layer not in known][1:]
    box.modalities["t1"].value = None
    for combo, layer in zip(list(box.modalities.values())[1:], others, strict=True):
        combo.value = layer
    assert not box.missing_box.isChecked()
    assert not box.goes_without
