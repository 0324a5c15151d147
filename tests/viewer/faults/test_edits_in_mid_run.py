"""Edits, thresholds, undo and sessions in mid-run: what was painted stays, the rest is what the slices say."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot

from napari_ddmd.viewer.session.archive import read_session
from napari_ddmd.viewer.session.capture import capture, save
from napari_ddmd.viewer.session.stored import Session
from napari_ddmd.viewer.widgets import session_box, session_opener
from tests.viewer.conftest import GatedSegment
from tests.viewer.faults.conftest import (
    SLICES,
    Window,
    another_seed,
    assert_consistent,
    assert_idle,
    assert_next_run_works,
    begin,
    choose,
    run_to_end,
    wait_for_end,
)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=5)
def test_edits_in_mid_run_are_kept(
    window: Window, gated: GatedSegment, qtbot: QtBot, notifications: list[Notification]
) -> None:
    viewer, panel = window
    choose(panel)
    begin(panel, gated, qtbot, slices=2)
    come_in, coming = gated.requests[0]["slices"][0], gated.requests[0]["slices"][-1]
    lesion = viewer.layers["lesion"]
    lesion.paint((come_in, 20, 20), 1)
    lesion.paint((coming, 20, 20), 1)
    lesion.fill((0, 0, 0), 1)  # where the run never comes
    painted = {index: lesion.data[index].copy() for index in (come_in, coming, 0)}
    panel.result_box.threshold.setValue(0.8)
    panel.result_box.threshold.setValue(0.3)
    # The slider waits for a rest: what comes in before that is an earlier step.
    qtbot.waitUntil(lambda: panel.results is not None and panel.results.threshold == 0.3, timeout=10_000)
    gated.allow(1)
    qtbot.waitUntil(lambda: panel.run_part._come_in == 3, timeout=10_000)
    assert panel.results is not None
    assert panel.results.lesion.next_undo == "painting", "not the slice that came in since"
    lesion.undo()
    assert panel.results.lesion.edited_slices == sorted((come_in, coming))
    assert all(lesion.data[index].any() for index in gated.requests[0]["slices"][:3])
    assert panel.results.threshold == 0.3
    lesion.redo()
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert panel.run_bar.status.text() == f"Done: {len(SLICES)} slices."
    for index, mask in painted.items():
        np.testing.assert_array_equal(lesion.data[index], mask)
    assert panel.results.lesion.edited_slices == sorted(painted)
    assert panel.results.threshold == 0.3
    assert_consistent(panel, SLICES)
    assert_next_run_works(panel, gated, qtbot)
    for index, mask in painted.items():
        np.testing.assert_array_equal(lesion.data[index], mask)
    panel.results.release(sorted(painted))
    assert panel.results.lesion.edited_slices == [0], "the model has said nothing of it"
    assert_consistent(panel, SLICES)
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=3)
def test_edits_survive_a_cancel_a_failure_and_a_lack_of_memory(
    window: Window, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = window
    choose(panel)
    begin(panel, gated, qtbot, slices=1)
    lesion = viewer.layers["lesion"]
    lesion.paint((4, 20, 20), 1)
    painted = lesion.data[4].copy()
    panel.cancel()
    wait_for_end(panel, qtbot)
    for fault in (KeyError("a bug"), MemoryError()):
        another_seed(panel)
        begin(panel, gated, qtbot, slices=2)
        gated.fail(fault)
        wait_for_end(panel, qtbot)
    np.testing.assert_array_equal(lesion.data[4], painted)
    assert_next_run_works(panel, gated, qtbot)
    np.testing.assert_array_equal(lesion.data[4], painted)


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=2)
def test_no_session_is_opened_into_a_run(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer, panel = window
    path = save(capture(panel), tmp_path / "s.ddmd", with_images=False)
    box, go_on = panel.save_tab.session_box, Event()
    monkeypatch.setattr(box, "_confirm", lambda *_: True)

    def slowly(path: Path) -> Session:
        assert go_on.wait(20)
        return read_session(path)

    monkeypatch.setattr(session_opener, "read_session", slowly)
    choose(panel)
    box.open(path)  # and while it is read, a run is begun
    begin(panel, gated, qtbot, slices=1)
    layers = list(viewer.layers)
    go_on.set()
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    box.open(path)
    assert not box.is_busy
    told = f"{path.name}: a run is on; open the session when it has ended, or cancel it"
    assert [note.message for note in notifications] == [told, told]
    assert [layer for layer in layers if layer not in viewer.layers] == []
    gated.allow(100)
    wait_for_end(panel, qtbot)
    assert_idle(panel)
    assert_consistent(panel, SLICES)
    box.open(path)
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    assert box.status.text() == "Opened s.ddmd"
    assert_next_run_works(panel, gated, qtbot)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_a_session_that_is_saved_in_mid_run_holds_what_had_come_in(
    window: Window,
    gated: GatedSegment,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _viewer, panel = window
    choose(panel)
    begin(panel, gated, qtbot, slices=2)
    done = set(gated.requests[0]["slices"][:2])
    path, box, go_on, original = tmp_path / "s.ddmd", panel.save_tab.session_box, Event(), session_box.save
    monkeypatch.setattr(box, "_confirm", lambda *_: True)

    def slowly(*arguments: object, **options: object) -> Path:
        assert go_on.wait(20)
        return original(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(session_box, "save", slowly)
    box.save(path)
    gated.allow(100)
    wait_for_end(panel, qtbot)
    go_on.set()
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    box.open(path)
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    assert box.status.text() == "Opened s.ddmd"
    assert_consistent(panel, done)
    run_to_end(panel, gated, qtbot)
    assert set(gated.requests[-1]["slices"]) == SLICES - done
    assert_consistent(panel, SLICES)
