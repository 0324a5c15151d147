"""Open cases one after the other without holding up the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Signal

from napari_ddmd.case import CaseError, case_places, find_case_files
from napari_ddmd.dicom import is_study
from napari_ddmd.viewer.case_layers import LayerData
from napari_ddmd.viewer.dicom_opener import DicomOpener
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.reader import open_case, still_to_open
from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari.components import ViewerModel

_MOST_NAMES = 3


def _read(path: Path) -> list[LayerData] | Path:
    """Return the layers of a case; of a study its path, since the user is asked which series to take."""
    if is_study(path):
        return path
    try:
        files = find_case_files(path)
    except CaseError as error:
        cases = [place.name for place in case_places(path) if place != path.absolute()]
        if not cases:
            raise
        shown = ", ".join([*cases[:_MOST_NAMES], *(["…"] if len(cases) > _MOST_NAMES else [])])
        raise CaseError(f"{path}: is a folder of cases; open one of them ({shown})") from error
    # Who adds the layers tells the remarks, in the window's own thread.
    return open_case(files, lambda _remark: None)


class CaseOpener(QObject):
    """Reads cases in the order in which they were asked for; each is in the window before the next one is read.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    dicom_opener : DicomOpener
        Asks for the series of a study; nobody else's.
    parent : QObject
        What is being read is forgotten when it goes.

    Signals
    -------
    busy_changed
        Whether anything is being opened.
    failed
        The exception that a case could not be opened for.
    """

    busy_changed = Signal(bool)
    failed = Signal(object)

    def __init__(self, viewer: ViewerModel, dicom_opener: DicomOpener, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._dicom_opener = viewer, dicom_opener
        self._waiting: list[Path] = []
        self._reader = Background(self)
        self._reader.done.connect(self._on_read)
        self._reader.failed.connect(self._on_not_read)
        dicom_opener.opened.connect(self._on_read)
        dicom_opener.failed.connect(self._on_not_read)
        dicom_opener.left.connect(self._open_next)

    def open(self, path: Path) -> None:
        """Open a case, the folder or one of its files, or a study; after those that are being opened."""
        self._waiting.append(path)
        if len(self._waiting) == 1:
            self._open_first()

    def _open_first(self) -> None:
        """Read the first that waits, which stays there until it is open."""
        self.busy_changed.emit(bool(self._waiting))
        if self._waiting:
            self._reader.start(_read, self._waiting[0])

    def _open_next(self) -> None:
        del self._waiting[:1]
        self._open_first()

    def _on_read(self, found: list[LayerData] | Path) -> None:
        if isinstance(found, Path):
            self._dicom_opener.choose(found)
            return
        try:
            self.add(found)
        finally:
            self._open_next()

    def _on_not_read(self, error: Exception) -> None:
        self.failed.emit(error)
        self._open_next()

    def add(self, layers: list[LayerData]) -> None:
        """Put a case into the viewer, but for what of it is open already."""
        layers = still_to_open(layers, self._viewer.layers)
        for data, arguments, kind in layers:
            self._viewer.add_layer(Layer.create(data, arguments, kind))
        tag = tag_of(layers[0][1]["metadata"]) if layers else None
        for remark in () if tag is None else tag.case.warnings:
            show_warning(in_short(remark))
