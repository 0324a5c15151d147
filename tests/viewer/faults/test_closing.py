"""The window is closed in mid-run: everything ends, in the process of the test and in one of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ddmd.viewer.saving import save_results
from napari_ddmd.viewer.widgets import save_button
from tests.viewer.conftest import GatedSegment
from tests.viewer.faults.conftest import OpenPanel, Window, begin, choose, run_to_end

pytestmark = pytest.mark.on_screen

STAGES = ("loading the model", "preparing", "first slice", "cancelling", "saving", "autosaving")
# A window of its own with the model that comes with the package, on its way to a thousand steps a mask.
SCRIPT = """
import sys, threading, time
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from napari_ddmd.case import load_case
from napari_ddmd.viewer import autosave
from napari_ddmd.viewer.launch import open_window
from napari_ddmd.viewer.widgets import model_box, save_button

stage, folder, out = sys.argv[1:]
viewer, panel = open_window(load_case(Path(folder)))
if stage == "loading the model":
    load = model_box._load
    model_box._load = lambda place: (time.sleep(1), load(place))[1]
    panel.run_when_ready()
if stage == "saving":
    save = save_button.save_results
    save_button.save_results = lambda *arguments: (time.sleep(1), save(*arguments))[1]
autosaves = panel.lesion_tab.autosave_box
autosaves._rest.setInterval(20)
writing = threading.Event()
if stage == "autosaving":
    put_in_place = autosave.put_in_place
    autosave.put_in_place = lambda *paths: (writing.set(), time.sleep(1), put_in_place(*paths))[2]
clock = QTimer()
began = False

def look():
    global began
    if stage == "next start":
        if autosaves.restore_button.isVisibleTo(autosaves.parentWidget()):
            autosaves.restore_button.click()
            print("edited", *panel.desk.results_of(panel.desk.case).lesion.edited_slices, flush=True)
            close()
    elif stage == "autosaving" and not began:
        began = panel.desk.case in autosaves._looked
        if began:
            paint(3)
    elif stage == "autosaving":
        if writing.is_set():
            assert list(autosave.autosave_folder().glob(".saving-*/*.npz")), "is being written"
            paint(5)
            close()
    elif stage == "loading the model":
        if panel.model_box.about.text() == "Loading the model…":
            close()
    elif panel.desk.bundle is None:
        return
    elif not began:
        began = True
        if stage != "saving":
            panel.sampling_box.sampler.setCurrentText("ddpm")
            panel.sampling_box.steps.setValue(1000 if stage != "first slice" else 3)
        panel.run()
        assert panel.controller.is_running
        if stage == "preparing":
            close()
    elif stage == "first slice" and panel.results.done:
        close()
    elif stage == "cancelling" and panel.controller.progress is not None:
        panel.cancel()
        close()
    elif stage == "saving" and not panel.controller.is_running and panel.save_button.isEnabled():
        panel.save_button.save(Path(out), ["mask"])
        QTimer.singleShot(100, close)
        clock.stop()

def paint(index):
    lesion = panel.desk.results_of(panel.desk.case).lesion
    lesion.ensure(0.5)
    panel.desk.set_mask(lesion.layer)
    lesion.layer.paint((index, 14, 10), 1)

def close():
    clock.stop()
    print("closing", flush=True)
    viewer.close()

clock.timeout.connect(look)
clock.start(20)
napari.run()
print("over", flush=True)
"""

# As by the answer of a job that came while the window was closed.
LATE = """
import time
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication
from napari_ddmd.viewer.widgets.background import Background

application, owner = QApplication([]), QObject()
QTimer.singleShot(50, application.quit)
application.exec()
Background(owner).start(time.sleep, 0.5)
print("over", flush=True)
"""


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_a_job_that_begins_after_the_last_window_does_not_crash_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path
    )
    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "", 0)


@pytest.mark.torture
@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("stage", STAGES)
def test_a_process_ends_with_its_window(stage: str, small_case_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert window_of_its_own(stage, small_case_folder, out) == ["closing", "over"]
    if stage == "saving":
        assert [file.name for file in out.iterdir()] == ["Small_001_mask.nii.gz"], "what was begun is written"
    if stage == "autosaving":
        assert not list(tmp_path.rglob(".saving-*"))
        assert window_of_its_own("next start", small_case_folder, out) == ["edited 3 5", "closing", "over"]


def window_of_its_own(stage: str, case: Path, out: Path) -> list[str]:
    """Open a window in a process that ends well; the lines that it prints."""
    script = out.parent / "window.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", script, stage, case, out],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=out.parent,
        env=private_environment(out.parent),
    )
    assert done.returncode == 0, done.stderr
    for word in ("QThread", "Traceback", "deleted", "Fatal", "core dumped"):
        assert word not in done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("INFO: ")]


def private_environment(folder: Path) -> dict[str, str]:
    """As this process, but for the user's own files."""
    import os

    places = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return {**os.environ, **{place: str(folder / place) for place in places}, "NAPARI_ASYNC": "0"}


@pytest.mark.torture
@pytest.mark.fault("Viewer")
@pytest.mark.parametrize("slices", [0, 4])
def test_a_window_that_is_closed_in_mid_run_leaves_the_other_one_alone(
    open_panel: OpenPanel,
    gated: GatedSegment,
    qtbot: QtBot,
    notifications: list[Notification],
    case: Any,
    slices: int,
) -> None:
    _other_viewer, other = open_panel(case)
    viewer, panel = open_panel(case)
    choose(panel)
    begin(panel, gated, qtbot, slices=slices)
    viewer.close()
    assert gated.stopped.wait(10)
    assert QThreadPool.globalInstance().waitForDone(10_000)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("segment")]
    run_to_end(other, gated, qtbot)
    assert other.run_bar.status.text().startswith("Done: ")
    assert notifications == []


@pytest.mark.torture
@pytest.mark.fault("Viewer")
def test_a_save_that_was_begun_is_written_though_the_window_is_closed(
    window: Window, gated: GatedSegment, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, panel = window
    choose(panel)
    run_to_end(panel, gated, qtbot)
    qtbot.waitUntil(panel.save_button.isEnabled, timeout=10_000)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> list[Path]:
        begun.set()
        assert go_on.wait(20)
        return save_results(*arguments)

    monkeypatch.setattr(save_button, "save_results", slowly)
    panel.save_button.save(tmp_path, ["mask"])
    qtbot.waitUntil(begun.is_set, timeout=10_000)
    viewer.close()
    go_on.set()
    assert QThreadPool.globalInstance().waitForDone(10_000)
    assert (tmp_path / "Small_001_mask.nii.gz").exists()
