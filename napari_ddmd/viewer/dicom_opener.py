"""Open studies without holding up the window: find the series, ask which to take, load."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_ddmd.case import Case
from napari_ddmd.dicom import Study, find_study
from napari_ddmd.viewer.case_layers import LayerData, case_layers
from napari_ddmd.viewer.dicom_reader import study_case
from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.viewer.widgets.dicom_dialog import choose_series
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari import Viewer


class DicomOpener(QObject):
    """Opens studies, one at a time; a new one takes the place of one that is still being read.

    Parameters
    ----------
    parent : QWidget
        The dialogs stand before it, and what is running is forgotten when it goes.

    Signals
    -------
    opened
        Layers of a study, as `case_layers` describes them.
    failed
        The exception that one could not be opened for.
    left
        The user has chosen no series.
    told
        What is being done, in a few words; empty when nothing is.
    """

    opened = Signal(object)
    failed = Signal(object)
    left = Signal()
    told = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._finder, self._loader = Background(self), Background(self)
        self._finder.done.connect(self._on_found)
        self._loader.done.connect(self._on_loaded)
        for background in (self._finder, self._loader):
            background.failed.connect(self._on_failed)

    def ask(self) -> None:
        """Ask for a folder, then as `choose`."""
        folder = QFileDialog.getExistingDirectory(self._parent, "Choose the folder of a DICOM study")
        if folder:
            self.choose(Path(folder))

    def choose(self, folder: Path) -> None:
        """Find the series of a study, ask which to take, and load them."""
        self.told.emit("Looking for DICOM series")
        self._finder.start(find_study, folder)

    def _on_found(self, study: Study) -> None:
        self.told.emit("")
        choice = choose_series(self._parent, study)
        if choice is None:
            self.left.emit()
        else:
            load = partial(study_case, study, choice.series, self.told.emit, brain_mask=choice.brain_mask)
            self._loader.start(_layers, load)

    def _on_loaded(self, layers: list[LayerData]) -> None:
        self.told.emit("")
        self.opened.emit(layers)

    def _on_failed(self, error: Exception) -> None:
        self.told.emit("")
        self.failed.emit(error)


def open_in_window(viewer: Viewer, folder: Path) -> DicomOpener:
    """Ask which series of a study to take, load them in the background, and show them in a napari window.

    Parameters
    ----------
    viewer : napari.Viewer
        Its status bar tells what is being done.
    folder : Path
        The study.
    """
    opener = DicomOpener(viewer.window._qt_window)

    def show(layers: list[LayerData]) -> None:
        for data, arguments, kind in layers:
            viewer.add_layer(Layer.create(data, arguments, kind))
        for remark in _case_of(layers).warnings:
            show_warning(in_short(remark))

    def tell(text: str) -> None:
        viewer.status = text

    opener.opened.connect(show)
    opener.failed.connect(lambda error: show_error(in_short(reason(error))))
    opener.told.connect(tell)
    for ended in (opener.opened, opener.failed, opener.left):
        ended.connect(lambda *_outcome: opener.deleteLater())
    opener.choose(folder)
    return opener


def _layers(load: Callable[[], Case]) -> list[LayerData]:
    return case_layers(load())


def _case_of(layers: list[LayerData]) -> Any:
    from napari_ddmd.viewer.layer_tag import tag_of

    tag = tag_of(layers[0][1]["metadata"])
    assert tag is not None
    return tag.case
