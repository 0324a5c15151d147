"""Save and open a session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.session.archive import SUFFIX, SessionError, read_session
from napari_ddmd.viewer.session.capture import Snapshot, capture, is_on_disk, save
from napari_ddmd.viewer.session.case_files import find_images, images_in
from napari_ddmd.viewer.session.loading import Loaded, load
from napari_ddmd.viewer.session.restore import close_case, put_into_window, twin_of
from napari_ddmd.viewer.session.settings import PanelSettings
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari_ddmd.case import Case, CaseFiles
    from napari_ddmd.viewer.session.stored import Session
    from napari_ddmd.viewer.session.stored_case import StoredCase
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel

_FILTER = f"Sessions (*{SUFFIX})"
_IMAGES_TIP = (
    "<p>Off: the file names the images by place and checksum, and opens where they are. "
    "On: the images are in it, and it opens anywhere; whoever has the file has the patient's images.</p>"
)
_SAVE_TIP = "<p>Save the case, its results, corrections, settings and view in one file</p>"
_CLOCK_MS = 100


class _Progress:
    """How much is written; set by the thread that writes."""

    share = 0.0

    def __call__(self, share: float) -> None:
        self.share = share


class SessionBox(QWidget):
    """Two buttons that save a session and open one, and what becomes of it in one line.

    Parameters
    ----------
    desk : Desk
        The case.

    Signals
    -------
    mask_saved
        The case, and its lesion ``(S, H, W)`` that is on disk now.
    """

    mask_saved = Signal(object, object)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._panel: SegmentationPanel | None = None
        self._settings: PanelSettings | None = None
        self._path = Path()
        self._snapshot: Snapshot | None = None
        self._wants_images = False
        self._progress = _Progress()
        self._is_busy = False
        self.save_button, self.open_button = QPushButton("Save session…"), QPushButton("Open session…")
        self.save_button.setToolTip(_SAVE_TIP)
        self.open_button.setToolTip("<p>Go on where a session was saved</p>")
        self.with_images = QCheckBox("Include the images")
        self.with_images.setToolTip(_IMAGES_TIP)
        self.bar = QProgressBar()
        self.bar.hide()
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.status.hide()
        self._lay_out()
        self.save_button.clicked.connect(self.ask_for_place)
        self.open_button.clicked.connect(self.ask_for_file)
        self.with_images.toggled.connect(self._on_wish)
        self._writer, self._reader, self._loader = Background(self), Background(self), Background(self)
        self._writer.done.connect(self._on_saved)
        self._reader.done.connect(self._on_read)
        self._loader.done.connect(self._on_loaded)
        for worker in (self._writer, self._reader, self._loader):
            worker.failed.connect(self._on_failed)
        self._clock = QTimer(self)
        self._clock.setInterval(_CLOCK_MS)
        self._clock.timeout.connect(self._show_progress)
        desk.case_changed.connect(self._show_available)
        self._show_available()

    @property
    def is_busy(self) -> bool:
        """Whether a session is being saved or opened."""
        return self._is_busy

    def attach(self, panel: SegmentationPanel) -> None:
        """Save and open sessions of a panel."""
        self._panel = panel
        self._settings = PanelSettings(panel)
        self._settings.remarked.connect(show_warning)
        self.mask_saved.connect(panel.lesion_tab.autosave_box.saved)

    def save(self, path: Path) -> None:
        """Save the session, in the background; replaces an earlier file."""
        if self._panel is None or self._is_busy:
            return
        try:
            snapshot = capture(self._panel)
        except SessionError as error:
            show_error(str(error))
            return
        self._snapshot, self._progress = snapshot, _Progress()
        self._set_busy("Saving the session…")
        self.bar.setRange(0, 100)
        self._writer.start(_save, snapshot, path, self.with_images.isChecked(), self._progress)

    def open(self, path: Path) -> None:
        """Open a session, in the background."""
        if self._panel is None or self._is_busy:
            return
        if self._panel.controller.is_running:
            show_error(f"{path}: a run is on; open the session when it has ended, or cancel it")
            return
        self._path = path
        self._set_busy("Opening the session…")
        self.bar.setRange(0, 0)
        self._reader.start(read_session, path)

    def ask_for_place(self) -> None:
        """Ask where to save, and save there."""
        case = self._desk.case
        if case is None:
            return
        image = next(iter(case.files.images.values()), None)
        # Beside the case's folder: what is in it belongs to the images.
        proposed = Path(f"{case.name}{SUFFIX}") if image is None else image.parent.parent / f"{case.name}{SUFFIX}"
        chosen, _filter = QFileDialog.getSaveFileName(self, "Save the session as", str(proposed), _FILTER)
        if not chosen:
            return
        path = Path(chosen)
        if path.suffix.lower() != SUFFIX:
            path = path.with_name(path.name + SUFFIX)
            if path.exists() and not self._confirm("Replace the file?", f"{path.name} is there already. Replace it?"):
                return
        self.save(path)

    def ask_for_file(self) -> None:
        """Ask for a session, and open it."""
        chosen, _filter = QFileDialog.getOpenFileName(self, "Open a session", "", _FILTER)
        if chosen:
            self.open(Path(chosen))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.save_button, 1)
        row.addWidget(self.open_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        for widget in (self.with_images, self.bar, self.status):
            layout.addWidget(widget)

    def _show_available(self) -> None:
        case = self._desk.case
        self.save_button.setEnabled(case is not None and not self._is_busy)
        self.open_button.setEnabled(not self._is_busy)
        # Images that are in no file have no other place.
        must = case is not None and not is_on_disk(case, self._desk.viewer)
        self.with_images.setEnabled(not must)
        self.with_images.blockSignals(True)
        self.with_images.setChecked(must or self._wants_images)
        self.with_images.blockSignals(False)

    def _on_wish(self, wanted: bool) -> None:
        self._wants_images = wanted

    def _set_busy(self, doing: str) -> None:
        self._is_busy = bool(doing)
        self.bar.setVisible(self._is_busy)
        (self._clock.start if self._is_busy else self._clock.stop)()
        self._say(doing)
        self._show_available()

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _show_progress(self) -> None:
        if self.bar.maximum():
            self.bar.setValue(round(100 * self._progress.share))

    def _on_saved(self, path: Path) -> None:
        self._set_busy("")
        self._say(f"Saved {path.name} ({_size(path)})")
        show_info(f"Saved the session as {path}")
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            return
        if "lesion" in snapshot.copies:
            self.mask_saved.emit(snapshot.case, snapshot.copies["lesion"])
        if snapshot.left_out:
            names = ", ".join(f'"{name}"' for name in snapshot.left_out)
            show_warning(f"Not part of the session, since they are not of its case: {names}")

    def _on_read(self, session: Session) -> None:
        """Find the images, ask for them where they are not, and go on."""
        places: list[CaseFiles] = []
        if session.case.images:
            places = find_images(self._path, session.case)
            while not places:
                folder = self._ask_for_folder(session.case)
                if folder is None:
                    self._set_busy("")
                    return
                places = images_in(folder, session.case)
        self._loader.start(load, self._path, session, places)

    def _ask_for_folder(self, stored: StoredCase) -> Path | None:
        name = Path(stored.images[0].absolute.replace("\\", "/")).name
        title = f"Where are the images of {stored.name} now? Choose the folder with {name}"
        chosen = QFileDialog.getExistingDirectory(self, title)
        return Path(chosen) if chosen else None

    def _on_loaded(self, loaded: Loaded) -> None:
        try:
            opened = self._put_into_window(loaded)
        except SessionError as error:
            self._on_failed(error)
            return
        self._set_busy("")
        if opened:
            self._say(f"Opened {loaded.path.name}")
            for remark in loaded.case.warnings:
                show_warning(remark)

    def _put_into_window(self, loaded: Loaded) -> bool:
        """Show a session; tell whether the user wants it after all."""
        panel, settings = self._panel, self._settings
        if panel is None or settings is None:
            return False
        twin = twin_of(loaded, self._desk.viewer)
        if twin is not None:
            if not self._may_close(twin):
                return False
            close_case(panel, twin)
        put_into_window(loaded, panel)
        settings.give(loaded.session.settings)
        if loaded.lesion is not None:
            # What is on disk needs no autosave.
            keeper = panel.lesion_tab.autosave_box.keeper
            keeper.was_saved(loaded.case, self._desk.results_of(loaded.case).lesion)
        return True

    def _may_close(self, case: Case) -> bool:
        question = f"{case.name} is open. Close it, with what has not been saved, and open the session?"
        return self._confirm("Close the case?", question)

    def _confirm(self, title: str, question: str) -> bool:
        return bool(QMessageBox.question(self, title, question) == QMessageBox.StandardButton.Yes)

    def _on_failed(self, error: Exception) -> None:
        self._set_busy("")
        show_error(" ".join(str(error).split()))


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(round(size / 1e3), 1)} kB"


def _save(snapshot: Snapshot, path: Path, with_images: bool, progress: _Progress) -> Path:
    return save(snapshot, path, with_images=with_images, progress=progress)


def session_box_of(panel: SegmentationPanel) -> SessionBox:
    """The session box of a panel."""
    box: SessionBox | None = panel.findChild(SessionBox)
    if box is None:
        box = SessionBox(panel.desk, panel)
        box.hide()
    if box._panel is None:
        box.attach(panel)
    return box
