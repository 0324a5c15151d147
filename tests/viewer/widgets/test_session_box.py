from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_ddmd.case import MODALITIES, Case, load_case
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.layer_tag import is_of
from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.session.archive import SessionError, read_session
from napari_ddmd.viewer.session.window_before import WindowBefore
from napari_ddmd.viewer.widgets import session_box, session_opener
from napari_ddmd.viewer.widgets.panel import SegmentationPanel
from napari_ddmd.viewer.widgets.session_box import SessionBox
from tests.conftest import CaseWriter
from tests.viewer.conftest import GatedSegment
from tests.viewer.test_case_folder import of_study
from tests.viewer.widgets.conftest import OpenPanel

Window = tuple[Any, SegmentationPanel]


def done(box: SessionBox, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)


def choose(monkeypatch: pytest.MonkeyPatch, name: str, *answers: str) -> list[str]:
    """Answer a file dialog; returns the titles that it was asked with, and what it proposed."""
    left, asked = list(answers), []

    def answer(_parent: Any, title: str, proposed: str = "", *_: Any) -> Any:
        asked.extend([title, proposed])
        return left.pop(0) if name == "getExistingDirectory" else (left.pop(0), "")

    monkeypatch.setattr(QFileDialog, name, answer)
    return asked


def test_saving_leaves_the_window_free_and_tells_how_far_it_is(
    window: Window, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notifications: list[Notification]
) -> None:
    viewer, panel = window
    viewer.add_points([[1, 2, 3]], name="marks", units="mm")
    box = panel.save_tab.session_box
    going, told = threading.Event(), threading.Event()
    original = session_box.save

    def slowly(snapshot: Any, path: Path, *, with_images: bool, progress: Any) -> Path:
        progress(0.42)
        told.set()
        assert going.wait(20)
        return original(snapshot, path, with_images=with_images)

    monkeypatch.setattr(session_box, "save", slowly)
    asked = choose(monkeypatch, "getSaveFileName", str(tmp_path / "mine"))
    box.save_button.click()
    folder = panel.case_box.case().files.images["t1"].parent
    assert asked[1] == str(folder.parent / "Small_001.ddmd")
    assert told.wait(20)
    qtbot.waitUntil(lambda: box.bar.value() == 42, timeout=5000)
    assert not box.save_button.isEnabled()
    assert not box.open_button.isEnabled()
    assert box.status.text() == "Saving the session…"
    # One at a time.
    box.save(tmp_path / "second.ddmd")
    going.set()
    done(box, qtbot)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.ddmd"]
    assert box.status.text().startswith("Saved mine.ddmd (")
    assert box.save_button.isEnabled()
    assert [note.message for note in notifications] == [
        f"Saved the session as {tmp_path / 'mine.ddmd'}",
        'Not part of the session, since they are not of its case: "marks"',
    ]


def test_nothing_is_replaced_that_the_dialog_did_not_ask_about(
    window: Window, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = window[1].save_tab.session_box
    (tmp_path / "mine.ddmd").write_text("dear")
    for answer, content in ((QMessageBox.StandardButton.No, True), (QMessageBox.StandardButton.Yes, False)):
        monkeypatch.setattr(QMessageBox, "question", lambda *_, answer=answer: answer)
        choose(monkeypatch, "getSaveFileName", str(tmp_path / "mine"))
        box.ask_for_place()
        done(box, qtbot)
        assert ((tmp_path / "mine.ddmd").read_bytes() == b"dear") is content
    choose(monkeypatch, "getSaveFileName", "")
    box.ask_for_place()
    assert not box.is_busy


def test_the_images_go_in_when_they_are_wanted_and_a_failing_save_is_told(
    window: Window, qtbot: QtBot, tmp_path: Path, notifications: list[Notification]
) -> None:
    box = window[1].save_tab.session_box
    assert not box.with_images.isChecked()
    for wanted in (False, True):
        box.with_images.setChecked(wanted)
        box.save(tmp_path / "s.ddmd")
        done(box, qtbot)
        assert bool(read_session(tmp_path / "s.ddmd").case.images) is not wanted
    box.save(tmp_path / "nowhere" / "s.ddmd")
    done(box, qtbot)
    assert "cannot be written" in notifications[-1].message
    assert box.save_button.isEnabled()
    assert box._snapshot is None, "a case that is closed next would stay in memory"


def test_images_that_are_in_no_file_go_in_whatever_is_wanted(open_panel: OpenPanel, case: Case) -> None:
    viewer, panel = open_panel(case)
    box = panel.save_tab.session_box
    box.with_images.click()
    assert box.with_images.isEnabled()
    box.with_images.click()
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    for name, image in zip(("a_t1", "a_t1ce", "a_t2", "a_flair"), case.images, strict=True):
        viewer.add_image(image, name=name)
    assert panel.desk.case is not None
    assert box.with_images.isChecked()
    assert not box.with_images.isEnabled()


def test_a_session_opens_again_in_its_own_window(
    window: Window, gated: GatedSegment, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = window
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((3, 4))
    gated.allow(10)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run()
    box = panel.save_tab.session_box
    told_saved: list[Any] = []
    box.mask_saved.connect(lambda *told: told_saved.append(told))
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    saved = viewer.layers["lesion"].data.copy()
    # The autosave of these edits has nothing to keep any more.
    assert [told[0] is panel.desk.case and np.array_equal(told[1], saved) for told in told_saved] == [True]
    viewer.layers["lesion"].paint((3, 3, 3), 1)
    questions: list[str] = []
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])

    def ask(_parent: Any, _title: str, question: str) -> Any:
        questions.append(question)
        return next(answers)

    monkeypatch.setattr(QMessageBox, "question", ask)
    choose(monkeypatch, "getOpenFileName", str(tmp_path / "s.ddmd"), str(tmp_path / "s.ddmd"), "")
    box.open_button.click()
    done(box, qtbot)
    assert viewer.layers["lesion"].data[3].sum() > saved[3].sum()
    box.open_button.click()
    done(box, qtbot)
    assert (viewer.layers["lesion"].data == saved).all()
    assert questions[0].startswith("Small_001 is open. Close it, with what has not been saved")
    assert len([layer for layer in viewer.layers if layer.name.startswith("flair")]) == 1
    assert box.status.text() == "Opened s.ddmd"
    box.open_button.click()
    assert not box.is_busy


def test_images_that_moved_are_asked_for(
    open_panel: OpenPanel,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_small_case: CaseWriter,
    case: Case,
) -> None:
    folder = write_small_case(tmp_path / "before" / "Case_9")
    _viewer, panel = open_panel(load_case(folder))
    box = panel.save_tab.session_box
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    _viewer.layers.clear()
    folder.rename(tmp_path / "after")
    asked = choose(monkeypatch, "getExistingDirectory", "")
    box.open(tmp_path / "s.ddmd")
    done(box, qtbot)
    assert panel.desk.case is None
    assert asked[0] == "Where are the images of Case_9 now? Choose the folder with Case_9_t1.nii.gz"
    choose(monkeypatch, "getExistingDirectory", str(tmp_path), str(tmp_path / "after"))
    box.open(tmp_path / "s.ddmd")
    done(box, qtbot)
    assert panel.desk.case is not None
    assert panel.desk.case.name == "Case_9"


def test_what_cannot_be_opened_is_told_in_one_line(
    window: Window, qtbot: QtBot, tmp_path: Path, notifications: list[Notification], gated: GatedSegment
) -> None:
    _viewer, panel = window
    box = panel.save_tab.session_box
    (tmp_path / "bad.ddmd").write_bytes(b"no zip")
    box.open(tmp_path / "bad.ddmd")
    done(box, qtbot)
    assert [note.message for note in notifications] == [
        "bad.ddmd: is damaged or no session of napari-ddmd; copy it again, or open another file"
    ]
    panel.run()
    box.open(tmp_path / "bad.ddmd")
    assert "a run is on" in notifications[-1].message
    panel.cancel()
    qtbot.waitUntil(lambda: not panel.controller.is_running, timeout=10_000)


def test_without_a_case_nothing_can_be_saved(open_panel: OpenPanel) -> None:
    _viewer, panel = open_panel()
    box = panel.save_tab.session_box
    assert not box.save_button.isEnabled()
    assert box.open_button.isEnabled()
    box.ask_for_place()
    assert not box.is_busy


def test_the_session_of_a_study_is_proposed_above_it(
    window: Window, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name without a folder is taken for one in the folder that napari was started in."""
    box = window[1].save_tab.session_box
    asked = choose(monkeypatch, "getSaveFileName", "", "")
    for name, folder in (("Study_1", tmp_path), ("arrays", Path.home())):
        opened = of_study(case, tmp_path / "study", folders=True)
        if name == "arrays":
            opened = dataclasses.replace(opened, origin=None)
        monkeypatch.setattr(Desk, "case", dataclasses.replace(opened, name=name))
        box.ask_for_place()
        assert asked[-1] == str(folder / f"{name}.ddmd")


def test_opening_shows_how_far_it_is_and_holds_the_rest_of_the_panel(
    window: Window, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = window
    box = panel.save_tab.session_box
    box.with_images.setChecked(True)
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    panel.tabs.setCurrentIndex(1)
    going = threading.Event()
    original = session_opener.load

    def slowly(path: Path, session: Any, places: Any, progress: Any) -> Any:
        progress(0.5)
        assert going.wait(20)
        return original(path, session, places, progress)

    monkeypatch.setattr(session_opener, "load", slowly)
    box.open(tmp_path / "s.ddmd")
    # What comes after the reading counts, too.
    qtbot.waitUntil(lambda: box.bar.value() == 30, timeout=20_000)
    assert panel.tabs.currentWidget() is panel.save_tab
    assert box.cancel_button.isVisibleTo(panel)
    # Reading is no reason to wait; layers that come in are.
    assert panel.run_bar.isEnabled()
    panel.desk.set_mask(viewer.layers["expert mask"])
    assert not panel.save_button.isEnabled(), "its case is about to go"
    held: list[bool] = []
    parts = (panel.run_bar, panel.layout_part, panel.summary_bar)
    viewer.layers.events.inserted.connect(lambda _event: held.extend(not part.isEnabled() for part in parts))
    going.set()
    done(box, qtbot)
    assert held
    assert all(held)
    assert all(part.isEnabled() for part in parts)
    panel.desk.set_mask(viewer.layers["expert mask"])
    assert panel.save_button.isEnabled()
    assert not box.cancel_button.isVisibleTo(panel)
    assert box.status.text() == "Opened s.ddmd"
    # As it was saved: with the tab Find in front.
    assert panel.tabs.tabText(panel.tabs.currentIndex()) == "Find"


def test_opening_can_be_cancelled_while_it_reads(
    window: Window,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
) -> None:
    viewer, panel = window
    box = panel.save_tab.session_box
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    notifications.clear()
    reading, going = threading.Event(), threading.Event()
    gave_up: list[Exception] = []

    def slowly(_path: Path, _session: Any, _places: Any, progress: Any) -> Any:
        reading.set()
        assert going.wait(20)
        try:
            progress(0.5)
        except SessionError as error:
            gave_up.append(error)
            raise

    monkeypatch.setattr(session_opener, "load", slowly)
    before = list(viewer.layers)
    panel.tabs.setCurrentIndex(1)
    box.open(tmp_path / "s.ddmd")
    qtbot.waitUntil(reading.is_set, timeout=20_000)
    box.cancel_button.click()
    assert not box.is_busy
    going.set()
    qtbot.waitUntil(lambda: bool(gave_up), timeout=20_000)
    qtbot.wait(50)
    assert list(viewer.layers) == before
    assert panel.tabs.currentIndex() == 1
    assert panel.run_bar.isEnabled()
    assert box.status.text() == "Cancelled; no session was opened"
    assert notifications == []


def at_the_third_layer(viewer: Any, act: Callable[[], object]) -> None:
    """Do something as soon as the third layer of a session is there."""
    viewer.layers.events.inserted.connect(lambda _event: QTimer.singleShot(0, act) if len(viewer.layers) == 3 else None)


def test_opening_can_be_cancelled_between_two_layers(window: Window, qtbot: QtBot, tmp_path: Path) -> None:
    viewer, panel = window
    box = panel.save_tab.session_box
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    viewer.layers.clear()
    at_the_third_layer(viewer, box.cancel)
    box.open(tmp_path / "s.ddmd")
    done(box, qtbot)
    assert list(viewer.layers) == []
    assert panel.desk.case is None
    assert box.open_button.isEnabled()


def test_a_panel_that_is_closed_between_two_layers_takes_back_what_has_come(
    window: Window, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer, panel = window
    box = panel.save_tab.session_box
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    viewer.layers.clear()
    at_the_third_layer(viewer, panel.parent().destroyOnClose)
    with qtbot.waitSignal(panel.destroyed, timeout=20_000):
        panel.save_tab.session_box.open(tmp_path / "s.ddmd")
    assert list(viewer.layers) == []


def test_a_window_that_is_closed_meanwhile_is_not_put_back(window: Window, qtbot: QtBot) -> None:
    _viewer, panel = window
    before = WindowBefore(panel)
    with qtbot.waitSignal(panel.destroyed):
        panel.close()
        panel.setParent(None)
        panel.deleteLater()
    assert not isalive(panel)
    before.put_back()


@pytest.mark.torture
def test_a_case_is_closed_for_its_session_when_nothing_can_be_cancelled_any_more(
    open_panel: OpenPanel,
    case: Case,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_small_case: CaseWriter,
) -> None:
    other = load_case(write_small_case(tmp_path / "Other_002"))
    viewer, panel = open_panel(other, case)
    box = panel.save_tab.session_box
    saved = np.zeros(case.grid.shape, np.uint8)
    saved[3, 4, 5] = 1
    lesion = panel.desk.results_of(case).lesion
    lesion.restore(saved, np.zeros_like(saved), 0.5)
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    lesion.layer.paint((5, 3, 3), 1)
    edited = lesion.data.copy()
    panel.arrange(Arrangement.MODALITIES)
    panel.slice_box.set_mode(SliceMode.RANGE)
    panel.slice_box.range_slider.setValue((2, 5))
    viewer.scene.camera.zoom = 3.5
    viewer.layers.selection.active = lesion.layer
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)

    def looks() -> list[Any]:
        return [panel.four_panels.arrangement, panel.slice_box.choice, viewer.scene.camera.zoom, panel.desk.case]

    before = {layer.name: layer.visible for layer in viewer.layers}
    looked = looks()
    for count in (2, 6):
        ours: list[Any] = []

        def cancel(event: Any, count: int = count, ours: list[Any] = ours) -> None:
            ours.append(event.value)
            if len(ours) == count:
                QTimer.singleShot(0, box.cancel)

        viewer.layers.events.inserted.connect(cancel)
        box.open(tmp_path / "s.ddmd")
        qtbot.waitUntil(lambda ours=ours, count=count: len(ours) >= count, timeout=20_000)
        done(box, qtbot)
        viewer.layers.events.inserted.disconnect(cancel)
        assert box.status.text() == "Cancelled; no session was opened"
        assert {layer.name: layer.visible for layer in viewer.layers} == before
        assert looks() == looked
        assert viewer.layers.selection.active is lesion.layer
        assert panel.desk.mask is lesion.layer
        np.testing.assert_array_equal(lesion.data, edited)
        assert panel.results is not None
        assert panel.results.lesion is lesion
        assert lesion.next_undo is not None

    box.open(tmp_path / "s.ddmd")
    done(box, qtbot)
    assert box.status.text() == "Opened s.ddmd"
    assert not any(is_of(layer, case) for layer in viewer.layers)
    mine = {layer.name for layer in viewer.layers if is_of(layer, panel.desk.case)}
    assert mine == {*(f"{name} [1]" for name in (*MODALITIES, "expert mask")), "lesion"}
    np.testing.assert_array_equal(viewer.layers["lesion"].data, saved)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["flair [1]", "lesion"]


@pytest.mark.fault("Viewer")
def test_a_session_is_saved_though_its_disk_is_away_right_after(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    tmp_path: Path,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _viewer, panel = window
    gated.allow(10)
    with qtbot.waitSignal(panel.controller.ended, timeout=10_000):
        panel.run()
    box = panel.save_tab.session_box
    original, told_saved = session_box.save, []

    def save(*arguments: Any, **more: Any) -> Path:
        path = original(*arguments, **more)
        path.unlink()
        return path

    monkeypatch.setattr(session_box, "save", save)
    box.mask_saved.connect(lambda *told: told_saved.append(told))
    box.save(tmp_path / "s.ddmd")
    done(box, qtbot)
    assert box.status.text() == "Saved s.ddmd"
    assert [told[0] for told in told_saved] == [panel.desk.case]
    assert [note.message for note in notifications] == [f"Saved the session as {tmp_path / 's.ddmd'}"]


def test_saving_can_be_cancelled(
    window: Window, qtbot: QtBot, tmp_path: Path, notifications: list[Notification], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = window[1].save_tab.session_box
    (tmp_path / "s.ddmd").write_text("dear")
    original, started, going = session_box.save, threading.Event(), threading.Event()

    def slowly(*arguments: Any, **more: Any) -> Path:
        started.set()
        assert going.wait(20)
        return original(*arguments, **more)

    monkeypatch.setattr(session_box, "save", slowly)
    box.with_images.setChecked(True)
    box.save(tmp_path / "s.ddmd")
    assert started.wait(20)
    box.cancel_button.click()
    going.set()
    done(box, qtbot)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.ddmd"]
    assert (tmp_path / "s.ddmd").read_text() == "dear"
    assert box.status.text() == "Cancelled; no session was saved"
    assert notifications == []
