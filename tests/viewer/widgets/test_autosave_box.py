from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QThreadPool

from napari_ddmd.case import Case
from napari_ddmd.model import Bundle
from napari_ddmd.viewer import autosave
from napari_ddmd.viewer.autosave import Autosave, AutosaveError, Edits, autosave_of, case_key, read_edits
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.file_hold import is_held_here
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.run_settings import RunRequest, Sampling
from napari_ddmd.viewer.widgets import autosave_box
from napari_ddmd.viewer.widgets.autosave_box import AutosaveBox
from tests.results import slice_result
from tests.viewer.test_autosave import owner

Open = Callable[..., tuple[Desk, AutosaveBox]]


@pytest.fixture
def open_(case: Case, qtbot: QtBot, autosave_folder: Path) -> Open:
    """Open the case in a session of its own."""

    def open_session(rest_ms: int = 50, latest_ms: int = 10_000, opened: Case = case) -> tuple[Desk, AutosaveBox]:
        desk = Desk(ViewerModel())
        box = AutosaveBox(desk, rest_ms=rest_ms, latest_ms=latest_ms)
        qtbot.addWidget(box)
        desk.set_case(opened)
        qtbot.waitUntil(lambda: opened in box._looked, timeout=10_000)
        return desk, box

    return open_session


def lesion_of(desk: Desk) -> LesionLayer:
    assert desk.case is not None
    lesion = desk.results_of(desk.case).lesion
    lesion.ensure(0.5)
    desk.set_mask(lesion.layer)
    return lesion


def paint(lesion: LesionLayer, index: int, column: int = 10) -> None:
    assert lesion.layer is not None
    lesion.layer.paint((index, 14, column), 1)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz")) if folder.exists() else []


def leave(folder: Path, case: Case) -> Edits:
    """What a session that crashed has left: slices 2 and 3 are edited, 5 is the model's."""
    written = np.zeros(case.grid.shape, np.uint8)
    written[2:6, 10:14, 10:14] = 1
    mask = written.copy()
    mask[2:4, 5, 5] = 1
    edits = Edits(mask, written, 0.4)
    Autosave(folder).save(case_key(case), edits)
    return edits


def test_edits_are_saved_when_they_rest(open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot) -> None:
    desk, _box = open_()
    lesion = lesion_of(desk)
    paint(lesion, 3)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    paint(lesion, 5)
    path = files(autosave_folder)[0]
    qtbot.waitUntil(lambda: read_edits(path, case.grid.shape).edited_slices == [3, 5], timeout=10_000)
    np.testing.assert_array_equal(read_edits(path, case.grid.shape).mask, lesion.data)


def test_without_a_rest_they_are_saved_at_the_latest_time(open_: Open, autosave_folder: Path, qtbot: QtBot) -> None:
    desk, box = open_(rest_ms=5_000, latest_ms=300)
    lesion = lesion_of(desk)
    for column in range(5, 15):
        paint(lesion, 3, column)
        qtbot.wait(60)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=3_000)
    box.keeper.take()


def test_a_run_without_edits_saves_nothing_and_edits_taken_back_leave_nothing(
    open_: Open, case: Case, autosave_folder: Path, tiny_bundle: Bundle, qtbot: QtBot
) -> None:
    desk, _box = open_()
    results = desk.results_of(case)
    results.add(RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe, slice_result(case, 4))
    results.settle()
    qtbot.wait(400)
    assert files(autosave_folder) == []
    desk.set_mask(results.lesion.layer)
    paint(results.lesion, 3)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    results.lesion.undo()
    qtbot.waitUntil(lambda: files(autosave_folder) == [], timeout=10_000)


def test_the_last_strokes_are_saved_when_the_window_goes(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    lesion = lesion_of(desk)
    paint(lesion, 3)
    assert files(autosave_folder) == []
    with qtbot.waitSignal(box.destroyed):
        box.deleteLater()
    assert read_edits(files(autosave_folder)[0], case.grid.shape).edited_slices == [3]


def test_at_the_end_whatever_panel_is_left_saves_by_one_connection(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    _desk, gone = open_(60_000, 60_000)
    with qtbot.waitSignal(gone.destroyed):
        gone.deleteLater()
    kept = dataclasses.replace(case)
    desk, _box = open_(60_000, 60_000, kept)
    paint(lesion_of(desk), 3)
    application = QCoreApplication.instance()
    assert application is not None
    assert application.property(autosave_box._CONNECTED)
    assert files(autosave_folder) == []

    autosave_box._flush_all()
    assert [read_edits(path, case.grid.shape).edited_slices for path in files(autosave_folder)] == [[3]]


@pytest.mark.fault("Viewer")
def test_a_window_that_goes_while_edits_are_written_loses_none(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those that are on their way nor those that came after: they are there at the next start."""
    writing, put = Event(), autosave.put_in_place

    def slowly(fresh: Path, target: Path) -> Path:
        writing.set()
        time.sleep(0.3)
        return put(fresh, target)

    monkeypatch.setattr(autosave, "put_in_place", slowly)
    desk, box = open_(rest_ms=10)
    lesion = lesion_of(desk)
    paint(lesion, 3)
    qtbot.waitUntil(writing.is_set, timeout=10_000)
    assert files(autosave_folder) == []
    paint(lesion, 5)
    with qtbot.waitSignal(box.destroyed):
        box.deleteLater()
    assert QThreadPool.globalInstance().waitForDone(10_000)

    opened_again = dataclasses.replace(case)
    again, next_box = open_(opened=opened_again)
    qtbot.waitUntil(lambda: opened_again in next_box._offers, timeout=10_000)
    next_box.restore()
    assert again.results_of(opened_again).lesion.edited_slices == [3, 5]


def test_edits_of_a_case_that_is_put_aside_are_saved_as_its_own(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    desk, _box = open_(rest_ms=60_000, latest_ms=60_000)
    paint(lesion_of(desk), 3)
    other = dataclasses.replace(case, images=case.images + 1)
    desk.set_case(other)
    path = autosave_of(case).path(case_key(case))
    qtbot.waitUntil(path.exists, timeout=10_000)
    assert read_edits(path, case.grid.shape).edited_slices == [3]


def test_edits_of_a_case_that_is_not_read_are_saved_as_its_own(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    desk, _box = open_()
    lesion = lesion_of(desk)
    other = dataclasses.replace(case, images=case.images * 2)
    desk.set_case(other)
    qtbot.wait(200)
    paint(lesion, 3)
    path = autosave_of(case).path(case_key(case))
    qtbot.waitUntil(path.exists, timeout=10_000)
    assert read_edits(path, case.grid.shape).edited_slices == [3]


def test_edits_of_two_cases_are_saved_though_the_first_is_still_being_written(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, _box = open_(rest_ms=50, latest_ms=60_000)
    started, go_on = Event(), Event()
    save = Autosave.save

    def slow(store: Autosave, key: str, edits: Edits) -> Path:
        started.set()
        assert go_on.wait(10)
        return save(store, key, edits)

    monkeypatch.setattr(Autosave, "save", slow)
    lesion = lesion_of(desk)
    paint(lesion, 3)
    qtbot.waitUntil(started.is_set, timeout=10_000)
    paint(lesion, 4)
    other = dataclasses.replace(case, images=case.images + 1)
    desk.set_case(other)
    paint(lesion_of(desk), 5)
    go_on.set()
    paths = [autosave_of(one).path(case_key(one)) for one in (case, other)]

    def saved() -> bool:
        return all(path.exists() for path in paths) and [
            read_edits(path, case.grid.shape).edited_slices for path in paths
        ] == [[3, 4], [5]]

    qtbot.waitUntil(saved, timeout=10_000)


def test_an_older_state_does_not_replace_a_newer_one(open_: Open, case: Case, autosave_folder: Path) -> None:
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    lesion = lesion_of(desk)
    paint(lesion, 3)
    older = box.keeper.take()
    assert older is not None
    paint(lesion, 4)
    box.keeper.flush()
    box.keeper.write(*older)

    assert read_edits(files(autosave_folder)[0], case.grid.shape).edited_slices == [3, 4]


def test_edits_that_could_not_be_saved_are_tried_again_when_the_window_goes(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, notifications: list[Notification]
) -> None:
    autosave_folder.write_text("a file in the way")
    desk, box = open_(latest_ms=60_000)
    paint(lesion_of(desk), 3)
    qtbot.waitUntil(lambda: len(notifications) == 1, timeout=10_000)
    box._rest.setInterval(60_000)  # by itself, it comes too late
    qtbot.waitUntil(lambda: not box._saving, timeout=10_000)
    autosave_folder.unlink()
    with qtbot.waitSignal(box.destroyed):
        box.deleteLater()

    assert read_edits(files(autosave_folder)[0], case.grid.shape).edited_slices == [3]


def test_edits_that_were_left_are_offered_and_restored(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, notifications: list[Notification]
) -> None:
    edits = leave(autosave_folder, case)
    left = files(autosave_folder)
    desk, box = open_()
    qtbot.waitUntil(lambda: not box.isHidden(), timeout=10_000)
    assert "in 2 slices (2-3)" in box.label.text()
    assert [note.severity for note in notifications] == ["info"]
    assert "tab Lesions" in notifications[0].message
    box.restore_button.click()
    assert box.isHidden()
    lesion = desk.results_of(case).lesion
    np.testing.assert_array_equal(lesion.data, edits.mask)
    assert lesion.edited_slices == [2, 3]
    assert desk.results is not None
    assert desk.results.threshold == 0.4
    # Saved anew by this session before the old file goes: at no time is there none.
    qtbot.waitUntil(lambda: files(autosave_folder) not in ([], left) and len(files(autosave_folder)) == 1)
    np.testing.assert_array_equal(read_edits(files(autosave_folder)[0], case.grid.shape).mask, edits.mask)


def test_restored_edits_outlast_a_new_run(open_: Open, case: Case, autosave_folder: Path, tiny_bundle: Bundle) -> None:
    edits = leave(autosave_folder, case)
    desk, box = open_()
    box.restore()
    results = desk.results_of(case)
    recipe = RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe
    for index in range(8):
        results.add(recipe, slice_result(case, index))
    results.settle()
    np.testing.assert_array_equal(results.lesion.data[2:4], edits.mask[2:4])
    assert results.lesion.edited_slices == [2, 3]


def test_restoring_onto_newer_work_can_be_taken_back(
    open_: Open, case: Case, autosave_folder: Path, tiny_bundle: Bundle
) -> None:
    edits = leave(autosave_folder, case)
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    results = desk.results_of(case)
    results.add(RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe, slice_result(case, 4))
    results.settle()
    desk.set_mask(results.lesion.layer)
    paint(results.lesion, 3)
    paint(results.lesion, 6)
    before = results.lesion.data.copy()
    box.restore()
    np.testing.assert_array_equal(results.lesion.data[2:4], edits.mask[2:4])
    np.testing.assert_array_equal(results.lesion.data[4:], before[4:])
    results.lesion.undo()
    np.testing.assert_array_equal(results.lesion.data, before)


@pytest.mark.parametrize(("first", "threshold"), [("brush", 0.4), ("removed", 0.4), ("nothing", 0.4), ("run", 0.6)])
def test_the_threshold_comes_along_where_no_run_has_cut_at_another(
    open_: Open, case: Case, autosave_folder: Path, tiny_bundle: Bundle, first: str, threshold: float
) -> None:
    """What is restored of the model's was cut at it, and the next run goes on so; a run since then keeps its own."""
    leave(autosave_folder, case)
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    results = desk.results_of(case)
    desk.set_threshold(0.6)
    if first in ("brush", "removed"):
        paint(lesion_of(desk), 6)
    if first == "removed":
        desk.viewer.layers.remove(results.lesion.layer)
    if first == "run":
        results.add(RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe, slice_result(case, 4))
    told: list[float] = []
    desk.threshold_changed.connect(lambda: told.append(results.threshold))
    box.restore()
    assert results.threshold == threshold
    assert told == ([] if first == "run" else [threshold])
    results.lesion.undo()
    results.lesion.redo()
    assert results.threshold == threshold
    assert desk.threshold == 0.6, "the reader has said nothing else of cases to come"


@pytest.mark.parametrize("drawn_before", [False, True])
def test_edits_at_the_threshold_that_nobody_moved_get_that_of_the_model_of_today(
    open_: Open, case: Case, autosave_folder: Path, drawn_before: bool
) -> None:
    edits = leave(autosave_folder, case)
    Autosave(autosave_folder).save(case_key(case), dataclasses.replace(edits, threshold=0.5))
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    desk.wanted_threshold.follow_model(0.3)
    if drawn_before:
        paint(lesion_of(desk), 6)
    box.restore()
    assert desk.results is not None
    assert desk.results.threshold == desk.threshold == 0.3
    assert not desk.results.is_moved


@pytest.mark.parametrize("first", ["brush", "run", "nothing"])
def test_a_slice_that_was_cleared_stays_so_when_it_is_restored(
    open_: Open, case: Case, autosave_folder: Path, tiny_bundle: Bundle, first: str
) -> None:
    """Whatever was done before *Restore*: what was cleared is an edit, and what the model had found is none."""
    written = np.zeros(case.grid.shape, np.uint8)
    written[2:6, 10:14, 10:14] = 1
    mask = written.copy()
    mask[3] = 0
    Autosave(autosave_folder).save(case_key(case), Edits(mask, written, 0.4))
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    results = desk.results_of(case)
    recipe = RunRequest(case, tiny_bundle, Sampling(samples=3), (4,)).recipe
    if first == "brush":
        paint(lesion_of(desk), 6)
    elif first == "run":
        results.add(recipe, slice_result(case, 4))
    before, hand = results.lesion.data.copy(), results.lesion.edited_slices
    box.restore()
    assert results.lesion.edited_slices == [3, *hand]
    if first == "brush":
        np.testing.assert_array_equal(results.lesion.data[:6], mask[:6], "the model's slices, too")
    if first != "nothing":
        results.lesion.undo()
        assert results.lesion.edited_slices == hand
        np.testing.assert_array_equal(results.lesion.data, before)
        assert not results.lesion.written[3].any()
        results.lesion.redo()
    for index in range(len(mask)):
        results.add(recipe, slice_result(case, index))
    results.settle()
    assert not results.lesion.data[3].any()
    assert results.lesion.edited_slices == [3, *hand]


@pytest.mark.fault("Viewer")
def test_edits_that_are_restored_while_others_are_written_stay_where_they_were_until_they_are_saved(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(autosave_folder, case)
    (left,) = files(autosave_folder)
    desk, box = open_(latest_ms=60_000)
    started, go_on = Event(), Event()
    save = Autosave.save

    def slow(store: Autosave, key: str, edits: Edits) -> Path:
        started.set()
        assert go_on.wait(10)
        return save(store, key, edits)

    monkeypatch.setattr(Autosave, "save", slow)
    lesion = lesion_of(desk)
    paint(lesion, 6)
    qtbot.waitUntil(started.is_set, timeout=10_000)
    box._rest.setInterval(60_000)
    box.restore()
    go_on.set()
    qtbot.waitUntil(lambda: not box._saving, timeout=10_000)
    assert left.exists()
    box.keeper.flush()
    assert not left.exists()
    (path,) = files(autosave_folder)
    np.testing.assert_array_equal(read_edits(path, case.grid.shape).mask, lesion.data)


def test_edits_that_were_left_can_be_discarded_and_are_safe_until_then(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    leave(autosave_folder, case)
    left = files(autosave_folder)[0]
    desk, box = open_()
    paint(lesion_of(desk), 6)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 2, timeout=10_000)
    box.discard_button.click()
    assert box.isHidden()
    assert not left.exists()
    assert len(files(autosave_folder)) == 1


@pytest.mark.fault("Viewer")
def test_an_offer_whose_file_another_session_has_removed_goes_away(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, notifications: list[Notification]
) -> None:
    leave(autosave_folder, case)
    desk, box = open_()
    qtbot.waitUntil(lambda: not box.isHidden(), timeout=10_000)
    files(autosave_folder)[0].unlink()
    for _ in range(2):
        desk.set_case(dataclasses.replace(case, images=case.images + 1))
        desk.set_case(case)
    assert box.isHidden()
    assert [note.severity for note in notifications] == ["info"], "of the offer alone"


@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("button", ["restore_button", "discard_button"])
def test_an_offer_outlasts_the_disk_that_its_file_is_on(
    open_: Open,
    case: Case,
    autosave_folder: Path,
    qtbot: QtBot,
    notifications: list[Notification],
    button: str,
) -> None:
    edits = leave(autosave_folder, case)
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    qtbot.waitUntil(lambda: not box.isHidden(), timeout=10_000)
    autosave_folder.rename(autosave_folder.with_name("away"))
    desk.set_case(dataclasses.replace(case, images=case.images + 1))
    desk.set_case(case)
    assert not box.isHidden()
    getattr(box, button).click()
    assert box.isHidden()
    assert [note.severity for note in notifications] == ["info"], "of the offer alone"
    if button == "restore_button":
        np.testing.assert_array_equal(desk.results_of(case).lesion.data, edits.mask)


@pytest.mark.fault("Viewer")
def test_edits_of_a_case_that_was_closed_are_offered_when_it_is_opened_again(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    desk, box = open_(latest_ms=60_000)
    paint(lesion_of(desk), 3)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    paint(lesion_of(desk), 4)  # saved when the case is closed, at the latest
    desk.viewer.layers.clear()
    desk.forget_all_but(())
    desk.set_case(None)
    again = dataclasses.replace(case)
    desk.set_case(again)
    qtbot.waitUntil(lambda: not box.isHidden(), timeout=10_000)
    assert "in 2 slices (3-4)" in box.label.text()
    (left,) = files(autosave_folder)
    paint(lesion_of(desk), 6)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 2, timeout=10_000)
    assert read_edits(left, case.grid.shape).edited_slices == [3, 4], "new edits do not replace those of before"
    box.restore()
    assert desk.results_of(again).lesion.edited_slices == [3, 4, 6]
    qtbot.waitUntil(lambda: not left.exists(), timeout=10_000)
    (path,) = files(autosave_folder)
    assert read_edits(path, case.grid.shape).edited_slices == [3, 4, 6]


def test_edits_that_are_on_screen_are_not_offered(open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot) -> None:
    desk, box = open_()
    paint(lesion_of(desk), 3)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    _other_desk, other_box = open_(opened=dataclasses.replace(case))  # the same patient, in another window
    assert other_box.isHidden()
    beside = dataclasses.replace(case)
    desk.set_case(beside)  # and in the same one, where the first stays open
    qtbot.waitUntil(lambda: beside in box._looked, timeout=10_000)
    assert box.isHidden()


@pytest.mark.fault("Viewer")
def test_edits_of_a_process_that_lives_are_offered_when_it_has_died(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    with owner(autosave_folder, case_key(case), case.grid.shape):
        desk, box = open_()
        assert box.isHidden()
        paint(lesion_of(desk), 4)
        qtbot.waitUntil(lambda: len(files(autosave_folder)) == 2, timeout=10_000)
    _other_desk, other_box = open_(opened=dataclasses.replace(case))
    qtbot.waitUntil(lambda: not other_box.isHidden(), timeout=10_000)
    assert "in 1 slice (2)" in other_box.label.text()


def test_what_is_saved_is_held_while_the_case_is_open_and_left_when_it_is_closed(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot
) -> None:
    desk, box = open_()
    paint(lesion_of(desk), 3)
    path = autosave_of(case).path(case_key(case))
    qtbot.waitUntil(lambda: path.exists() and not box._saving, timeout=10_000)
    assert is_held_here(path)
    with qtbot.waitSignal(box.destroyed):
        box.deleteLater()
    assert is_held_here(path), "the layers stay without a panel"

    again = AutosaveBox(desk)
    qtbot.addWidget(again)
    desk.viewer.layers.clear()
    desk.forget_all_but(())
    desk.set_case(None)
    assert path.exists()
    assert not is_held_here(path)


def test_a_save_by_the_user_ends_the_autosave(open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot) -> None:
    desk, box = open_()
    lesion = lesion_of(desk)
    paint(lesion, 3)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    saved = lesion.data.copy()
    paint(lesion, 5)
    box.saved(case, saved)
    assert len(files(autosave_folder)) == 1  # what was painted since is in no other file
    box.saved(case, lesion.data.copy())
    qtbot.waitUntil(lambda: not box._saving)
    qtbot.wait(300)
    assert files(autosave_folder) == []
    paint(lesion, 6)
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)


def test_broken_edits_are_told_of_in_one_line(
    open_: Open, case: Case, autosave_folder: Path, notifications: list[Notification]
) -> None:
    leave(autosave_folder, case)
    files(autosave_folder)[0].write_bytes(b"PK")
    _desk, box = open_()
    assert box.isHidden()
    assert [note.severity for note in notifications] == ["warning"]
    assert "cannot be read" in notifications[0].message


def test_a_failure_to_save_is_told_once_and_tried_again(
    open_: Open,
    case: Case,
    autosave_folder: Path,
    qtbot: QtBot,
    notifications: list[Notification],
) -> None:
    autosave_folder.write_text("a file in the way")
    desk, box = open_()
    lesion = lesion_of(desk)
    paint(lesion, 3)
    qtbot.waitUntil(lambda: len(notifications) == 1, timeout=10_000)
    assert "cannot be saved" in notifications[0].message
    paint(lesion, 4)
    qtbot.wait(500)
    assert len(notifications) == 1
    autosave_folder.unlink()
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    assert read_edits(files(autosave_folder)[0], case.grid.shape).edited_slices == [3, 4]
    qtbot.waitUntil(lambda: not box._saving, timeout=10_000)
    assert not box._rest.isActive(), "and that is the end of it"


def test_edits_that_could_not_be_saved_when_the_panel_went_are_saved_by_the_next(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, notifications: list[Notification]
) -> None:
    autosave_folder.write_text("a file in the way")
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    paint(lesion_of(desk), 3)
    with qtbot.waitSignal(box.destroyed):
        box.deleteLater()
    assert ["cannot be saved" in note.message for note in notifications] == [True]
    autosave_folder.unlink()
    qtbot.addWidget(AutosaveBox(desk, rest_ms=50))
    qtbot.waitUntil(lambda: len(files(autosave_folder)) == 1, timeout=10_000)
    assert read_edits(files(autosave_folder)[0], case.grid.shape).edited_slices == [3]


def test_edits_that_the_user_has_saved_are_not_tried_again(
    open_: Open, case: Case, autosave_folder: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = Event(), Event()

    def fail(*_: object) -> Path:
        started.set()
        assert go_on.wait(10)
        raise AutosaveError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Autosave, "save", fail)
        desk, box = open_()
        lesion = lesion_of(desk)
        paint(lesion, 3)
        qtbot.waitUntil(started.is_set, timeout=10_000)
        box.saved(case, lesion.data.copy())
        go_on.set()
        qtbot.waitUntil(lambda: not box._saving, timeout=10_000)
    other = dataclasses.replace(case, images=case.images + 1)
    desk.set_case(other)
    desk.set_case(case)  # looked at again
    qtbot.wait(300)
    assert files(autosave_folder) == []


@pytest.mark.fault("Viewer")
def test_edits_that_there_is_no_memory_to_copy_stay_due(
    open_: Open, case: Case, autosave_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, box = open_(rest_ms=60_000, latest_ms=60_000)
    lesion = lesion_of(desk)
    paint(lesion, 3)

    def no_room(*_: object) -> Edits:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("napari_ddmd.viewer.autosave_keeper.Edits", no_room)
        with pytest.raises(MemoryError):
            box.keeper.take()
    box.keeper.flush()
    assert read_edits(files(autosave_folder)[0], case.grid.shape).edited_slices == [3]
