from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from threading import Event, Semaphore
from types import CodeType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.utils.events.event import EventEmitter
from napari.utils.notifications import Notification, notification_manager
from npe2 import PluginManifest
from qtpy.QtWidgets import QApplication, QWidget

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.segment import Progress, SliceResult
from napari_ddmd.viewer import autosave
from napari_ddmd.viewer.case_layers import case_layers
from napari_ddmd.viewer.collector import old_objects_spared
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.run_settings import Recipe
from tests.results import slice_result


@pytest.fixture(autouse=True)
def imports_are_spared() -> Iterator[None]:
    """Leave out what is there already when garbage is collected.

    napari does so whenever a layer or a window goes, and it takes as long as there are objects: some 0.3 s for those
    of the imports alone, a third of all the time that the tests of windows took. By the plugin's own means, which then
    need not ask whether somebody else spares them: to count what is spared takes as long as to look at it.
    """
    with old_objects_spared():
        yield


@pytest.fixture(scope="module", autouse=True)
def _signatures_are_remembered() -> Iterator[None]:
    """Look once at what a function takes, not whenever napari connects it or not any more: 7 % of a window's time."""
    asked = EventEmitter._check_signature
    known: dict[tuple[CodeType, bool, int], bool] = {}

    def takes_event(callback: Any) -> bool:
        function = getattr(callback, "__func__", callback)
        code = getattr(function, "__code__", None)
        if code is None or vars(function).keys() & {"__wrapped__", "__signature__"}:
            return asked(callback)
        key = (code, callback is not function, len(function.__defaults__ or ()))
        if key not in known:
            known[key] = asked(callback)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventEmitter, "_check_signature", staticmethod(takes_event))
        yield


@pytest.fixture(scope="module", autouse=True)
def _plugins_are_looked_for_once() -> Iterator[None]:
    """Look for napari's plugins once: it goes through all that is installed for every window."""
    discover, known = PluginManifest.discover, dict[tuple[str, ...], list[Any]]()

    def remembered(paths: Sequence[str] = ()) -> list[Any]:
        if tuple(paths) not in known:
            known[tuple(paths)] = list(discover(paths=paths))
        return known[tuple(paths)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", remembered)
        yield


@pytest.fixture(autouse=True)
def _windows_that_are_not_drawn_are_plain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out napari's style where nothing is drawn: to match every widget with it takes a fifth of a test's time.

    And the full collection of garbage before a layer leaves the canvas, which is for textures of some drivers, and
    napari's own controls of each layer.
    """
    if request.node.get_closest_marker("on_screen") is None:
        controls = "napari._qt.layer_controls.qt_layer_controls_container.create_qt_layer_controls"
        monkeypatch.setattr(controls, lambda _layer: QWidget())
        monkeypatch.setattr("napari._qt.qt_main_window.get_stylesheet", lambda *_arguments, **_options: "")
        monkeypatch.setattr("napari._vispy.canvas.gc", SimpleNamespace(collect=lambda: gc.collect(0)))


@pytest.fixture(autouse=True)
def autosave_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep edits that are saved in the background out of the user's own folder."""
    folder = tmp_path / "autosave"
    monkeypatch.setattr(autosave, "autosave_folder", lambda: folder)
    return folder


@pytest.fixture
def case(small_case: Case) -> Case:
    """A case of 8 slices whose arrays belong to this test alone."""
    return dataclasses.replace(small_case, images=small_case.images.copy())


@pytest.fixture
def viewer(case: Case) -> ViewerModel:
    """A viewer without a window, with the case."""
    model = ViewerModel()
    add_case(model, case)
    return model


class AllAtOnce(ResultLayers):
    """Results whose layers are all there with the first slice, as they are in a window after a second."""

    def add(self, recipe: Recipe, result: SliceResult) -> None:
        super().add(recipe, result)
        while self.awaits_layers:
            self.refresh()


@pytest.fixture
def desk(viewer: ViewerModel, case: Case, qapp: QApplication) -> Desk:
    """A desk with the case, and no run of it yet."""
    desk = Desk(viewer)
    desk.set_case(case)
    return desk


@pytest.fixture
def add() -> Callable[[Any, Case], None]:
    return add_case


def add_case(viewer: Any, case: Case) -> None:
    for data, arguments, kind in case_layers(case):
        viewer.add_layer(Layer.create(data, arguments, kind))


def add_plain_images(viewer: Any, case: Case) -> None:
    """Add the images of a case as another plugin would: they do not say what they are."""
    for modality, image in zip(MODALITIES, case.images, strict=True):
        viewer.add_layer(Image(image, name=f"a_{modality}", scale=case.spacing))


@pytest.fixture
def notifications() -> Iterator[list[Notification]]:
    """What the user is told while the test runs."""
    told: list[Notification] = []

    def note(event: Any) -> None:
        told.append(event)

    notification_manager.notification_ready.connect(note)
    yield told
    notification_manager.notification_ready.disconnect(note)


class GatedSegment:
    """Stands in for `segment`: lets a slice pass when the test says so."""

    def __init__(self) -> None:
        self.gate = Semaphore(0)
        self.requests: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.remarks: list[str] = []
        self.devices: list[str] = []
        self.evened: tuple[str, ...] = ()
        self.specks: set[int] = set()  # slices with a voxel of lesion in the corner
        self.stopped = Event()

    def allow(self, count: int = 1) -> None:
        """Let that many slices pass."""
        self.gate.release(count)

    def fail(self, error: Exception) -> None:
        """Raise at the next slice."""
        self.error = error
        self.gate.release()

    def __call__(
        self,
        case: Case,
        bundle: Any,
        *,
        slices: tuple[int, ...],
        samples: int,
        cancel: Event | None = None,
        progress: Callable[[Progress], None],
        remark: Callable[[str], None],
        **settings: Any,
    ) -> Iterator[SliceResult]:
        self.stopped.clear()
        self.requests.append({"slices": tuple(slices), "samples": samples, **settings})
        try:
            for number, index in enumerate(slices):
                while not self.gate.acquire(timeout=0.01):
                    if cancel is not None and cancel.is_set():
                        return
                if self.error is not None:
                    error, self.error = self.error, None
                    raise error
                for device in self.devices or [""]:
                    progress(Progress(number + 1, len(slices), 5.0 + number, 65.0, "", device=device))
                while self.remarks:
                    remark(self.remarks.pop(0))
                result = slice_result(case, index, samples=samples, evened=self.evened)
                if index in self.specks:
                    result.probability[0, 0] = 0.9
                yield result
        finally:
            self.stopped.set()


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedSegment]:
    fake = GatedSegment()
    # Not by the name "napari_ddmd.segment": the package gives the function for it.
    monkeypatch.setattr(import_module("napari_ddmd.segment"), "segment", fake)
    yield fake
    # A run that the test left behind must not outlive it.
    fake.allow(1000)


@pytest.fixture
def lesion_slices(case: Case) -> list[int]:
    assert case.mask is not None
    return [int(index) for index in np.flatnonzero(case.mask.any(axis=(1, 2)))]


@pytest.fixture
def saved_mask(case: Case, tmp_path: Path) -> Path:
    from napari_ddmd.saveable import Saveable
    from napari_ddmd.viewer.saving import save_results

    assert case.mask is not None
    return save_results(tmp_path, ("mask",), Saveable(case=case, mask=case.mask))[0]
