"""Run after run, case after case: nothing of the one before is left, in memory or in threads."""

from __future__ import annotations

import dataclasses
import gc
import threading
import weakref
from typing import Any

import numpy as np
import psutil
import pytest
from napari.layers import Layer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool

from napari_ddmd.case import Case
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.volumes import Volumes
from tests.viewer.conftest import GatedSegment, add_case
from tests.viewer.faults.conftest import OpenPanel, another_seed, assert_idle, choose, run_to_end

SHAPE = (32, 128, 128)
VOLUME_MB = 4 * int(np.prod(SHAPE)) / 2**20
RUNS, SETTLED = 50, 10
KINDS = (Case, Volumes, LesionLayer, ResultLayers, Layer)


def large_case(name: str = "Large") -> Case:
    """A case of which one leaked volume is 2 MB; it has a lesion that results can be made of."""
    images = np.zeros((4, *SHAPE), np.float32)
    images[:, 4:28, 30:98, 30:98] = 100
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:20, 50:60, 50:60] = 1
    return dataclasses.replace(Case.from_arrays(name, images), mask=mask)


def alive() -> dict[str, int]:
    """How many objects there are of what would be costly to keep."""
    gc.collect()
    types = [type(found) for found in gc.get_objects()]  # which runs no code of theirs, as isinstance does
    return {kind.__name__: sum(issubclass(found, kind) for found in types) for kind in KINDS}


def memory_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20


def rest(panel: Any, qtbot: QtBot) -> None:
    """Let everything come to its end that is done some time after a run."""
    qtbot.waitUntil(lambda: panel.lesion_box.measurement is not None, timeout=20_000)
    assert QThreadPool.globalInstance().waitForDone(20_000)
    qtbot.wait(20)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Volumes]]:
    """All volumes that are made meanwhile."""
    made: list[weakref.ref[Volumes]] = []
    begin = Volumes.__init__

    def note(volumes: Volumes, *arguments: Any, **options: Any) -> None:
        begin(volumes, *arguments, **options)
        made.append(weakref.ref(volumes))

    monkeypatch.setattr(Volumes, "__init__", note)
    return made


@pytest.mark.fault("Viewer", count=6)
def test_of_earlier_runs_the_latest_three_are_kept_alone(
    open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot, watched: list[weakref.ref[Volumes]], case: Case
) -> None:
    _viewer, panel = open_panel(case)
    for fault in (None, None, KeyError("a bug"), None, None, None):
        another_seed(panel)
        gated.error = fault
        run_to_end(panel, gated, qtbot)
    rest(panel, qtbot)
    gc.collect()
    assert len(watched) == 5, "the run that failed at its first slice made none"
    assert watched[0]() is None
    assert all(volumes() is not None for volumes in watched[1:]), "undo goes back to them"
    assert watched[-1]() is panel.desk.volumes


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=RUNS)
@pytest.mark.parametrize("pipeline", ["stands still", "computes"])
def test_fifty_runs_take_no_more_memory_and_threads_than_ten(
    pipeline: str,
    open_panel: OpenPanel,
    gated: GatedSegment,
    qtbot: QtBot,
    watched: list[weakref.ref[Volumes]],
    request: pytest.FixtureRequest,
) -> None:
    if pipeline == "computes":
        request.getfixturevalue("real_pipeline")
    _viewer, panel = open_panel(large_case())
    choose(panel, 12, 16)
    panel.sampling_box.samples.setValue(1)
    before: dict[str, int] = {}
    memory = threads = 0.0
    for number in range(RUNS):
        another_seed(panel)
        run_to_end(panel, gated, qtbot)
        assert panel.run_bar.status.text().startswith("Done: 5 slices.")
        if number + 1 == SETTLED:
            rest(panel, qtbot)
            before, memory, threads = alive(), memory_mb(), psutil.Process().num_threads()
    rest(panel, qtbot)
    assert_idle(panel)
    assert len(watched) == RUNS
    assert alive() == before
    # One volume that is kept a run would be 80 MB.
    assert memory_mb() - memory < (RUNS - SETTLED) * VOLUME_MB / 2
    # Qt's threads come and go, a thread that is kept a run would be forty.
    assert psutil.Process().num_threads() - threads < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("segment")]
    assert QThreadPool.globalInstance().activeThreadCount() == 0


@pytest.mark.torture
@pytest.mark.fault("Viewer", count=4)
def test_a_case_that_is_closed_is_let_go_with_all_its_results(
    open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = open_panel()
    cases: list[weakref.ref[Case]] = []
    lesions: list[weakref.ref[LesionLayer]] = []
    for number, fault in enumerate([None, KeyError("a bug"), MemoryError("no room"), None]):
        opened = large_case(f"Case {number}")
        cases.append(weakref.ref(opened))
        add_case(viewer, opened)
        qtbot.waitUntil(panel.run_bar.button.isEnabled, timeout=10_000)
        run_to_end(panel, gated, qtbot)
        lesions.append(weakref.ref(panel.desk.results.lesion))
        viewer.layers["lesion"].paint((15, 100, 100), 1)
        another_seed(panel)
        gated.error = fault
        run_to_end(panel, gated, qtbot)
        rest(panel, qtbot)
        viewer.layers.clear()
        gated.requests.clear()
        del opened
    last = large_case("last")
    add_case(viewer, last)
    run_to_end(panel, gated, qtbot)
    rest(panel, qtbot)
    gc.collect()
    assert [found().name for found in cases if found() is not None] == []  # type: ignore[union-attr]
    assert [found for found in lesions if found() is not None] == []


@pytest.mark.fault("Viewer")
def test_the_last_case_is_let_go_though_no_other_is_opened(
    open_panel: OpenPanel, gated: GatedSegment, qtbot: QtBot
) -> None:
    viewer, panel = open_panel()
    opened = large_case("Case")
    gone = weakref.ref(opened)
    add_case(viewer, opened)
    qtbot.waitUntil(panel.run_bar.button.isEnabled, timeout=10_000)
    run_to_end(panel, gated, qtbot)
    viewer.layers["lesion"].paint((15, 100, 100), 1)
    panel.lesion_tab.compare_box.tick.setChecked(True)
    qtbot.waitUntil(lambda: panel.lesion_tab.compare_box.overlay is not None, timeout=10_000)
    rest(panel, qtbot)
    stranger = viewer.add_image(np.zeros((3, 4, 5)), name="stranger")
    viewer.layers.move(viewer.layers.index(stranger), 0)
    while len(viewer.layers) > 1:  # the comparison goes by itself
        del viewer.layers[-1]
    gated.requests.clear()
    del opened

    def let_go() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(let_go, timeout=20_000)  # after the work that was put off, which a busy machine puts off longer
