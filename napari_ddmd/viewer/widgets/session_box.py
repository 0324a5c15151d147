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

from napari_ddmd.viewer.case_folder import case_folder
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.session.archive import SUFFIX, SessionError
from napari_ddmd.viewer.session.capture import Snapshot, capture, is_on_disk, save
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.viewer.widgets.session_opener import SessionOpener
from napari_ddmd.whole_files import sweep
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel

_FILTER = f"Sessions (*{SUFFIX})"
_IMAGES_TIP = (
    "<p>Off: the file names the images by place and checksum, and opens where they are. "
    "On: the images are in it, and it opens anywhere; whoever has the file has the patient's images. "
    "Those of a DICOM study always are, and the file names the study's folder, so that a DICOM segmentation can be "
    "saved again.</p>"
)
_SAVE_TIP = "<p>Save the case, its results, corrections, settings and view in one file</p>"
_NAMES_STUDY = "; it holds the images, and names the folder of the DICOM study"
_CLOCK_MS = 100


class _Progress:
    """How much is written, and what an earlier save has left; set by the thread that writes.

    Saving ends at the next part of the file once the user has had enough.
    """

    share = 0.0
    remark = ""
    is_cancelled = False

    def __call__(self, share: float) -> None:
        if self.is_cancelled:
            raise SessionError("cancelled")
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
        The case, and one of its masks ``(S, H, W)`` that is on disk now.
    opening_changed
        A session is being opened, or is not any more.
    """

    mask_saved = Signal(object, object)
    opening_changed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._panel: SegmentationPanel | None = None
        self._opener: SessionOpener | None = None
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
        self.bar.setAccessibleName("How far the session is saved or opened")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Leave the window, or the file, as it was")
        for widget in (self.bar, self.cancel_button):
            widget.hide()
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.status.hide()
        self._lay_out()
        self.save_button.clicked.connect(self.ask_for_place)
        self.open_button.clicked.connect(self.ask_for_file)
        self.cancel_button.clicked.connect(self.cancel)
        self.with_images.toggled.connect(self._on_wish)
        self._writer = Background(self)
        self._writer.done.connect(self._on_saved)
        self._writer.failed.connect(self._on_failed)
        self._clock = QTimer(self)
        self._clock.setInterval(_CLOCK_MS)
        self._clock.timeout.connect(self._show_progress)
        desk.case_changed.connect(self._show_available)
        self._show_available()

    @property
    def is_busy(self) -> bool:
        """Whether a session is being saved or opened."""
        return self._is_busy

    @property
    def is_opening(self) -> bool:
        """Whether a session is being opened."""
        return self._opener is not None and self._opener.is_busy

    def attach(self, panel: SegmentationPanel) -> None:
        """Save and open sessions of a panel."""
        self._panel = panel
        self._opener = SessionOpener(panel, self, lambda title, question: self._confirm(title, question))
        self._opener.told.connect(self._say)
        self._opener.ended.connect(self._on_opened)
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
        """Open a session, in the background; layers come one after the other."""
        if self._opener is None or self._is_busy:
            return
        self._set_busy("Opening the session…")
        self._opener.open(path)
        self.opening_changed.emit()

    def cancel(self) -> None:
        """Stop saving or opening; what is there stays as it was before."""
        if self._opener is not None and self.is_opening:
            self._opener.cancel()
        elif self._is_busy:
            self._progress.is_cancelled = True

    def ask_for_place(self) -> None:
        """Ask where to save, and save there."""
        case = self._desk.case
        if case is None:
            return
        folder = case_folder(case)
        # Beside the folder of a case: what is in it belongs to the images.
        proposed = (folder.parent if case.files.images else folder) / f"{case.name}{SUFFIX}"
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
        layout.addWidget(self.with_images)
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel_button)
        layout.addLayout(progress)
        layout.addWidget(self.status)

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
        for widget in (self.bar, self.cancel_button):
            widget.setVisible(self._is_busy)
        (self._clock.start if self._is_busy else self._clock.stop)()
        self._say(doing)
        self._show_available()

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _show_progress(self) -> None:
        share = self._opener.share if self._opener is not None and self.is_opening else self._progress.share
        # Without a share, it is on its way somewhere where nobody counts.
        self.bar.setRange(0, 0 if share is None else 100)
        if share is not None:
            self.bar.setValue(round(100 * share))

    def _on_opened(self, said: str) -> None:
        self._set_busy("")
        self._say(said)
        self.opening_changed.emit()

    def _on_saved(self, path: Path) -> None:
        self._set_busy("")
        snapshot, self._snapshot = self._snapshot, None
        names_study = snapshot is not None and snapshot.case.origin is not None
        self._say(f"Saved {path.name}{_size(path)}{_NAMES_STUDY if names_study else ''}")
        show_info(f"Saved the session as {path}")
        if self._progress.remark:
            show_warning(self._progress.remark)
        if snapshot is None:
            return
        for mask in snapshot.masks:
            self.mask_saved.emit(snapshot.case, mask)
        if snapshot.left_out:
            names = ", ".join(f'"{name}"' for name in snapshot.left_out)
            show_warning(f"Not part of the session, since they are not of its case: {names}")

    def _confirm(self, title: str, question: str) -> bool:
        return bool(QMessageBox.question(self, title, question) == QMessageBox.StandardButton.Yes)

    def _on_failed(self, error: Exception) -> None:
        self._set_busy("")
        self._snapshot = None
        if self._progress.is_cancelled:
            self._say("Cancelled; no session was saved")
            return
        show_error(in_short(reason(error)))


def _size(path: Path) -> str:
    """In brackets; empty where the disk is away again."""
    try:
        size = path.stat().st_size
    except OSError:
        return ""
    return f" ({size / 1e6:.1f} MB)" if size >= 1e6 else f" ({max(round(size / 1e3), 1)} kB)"


def _save(snapshot: Snapshot, path: Path, with_images: bool, progress: _Progress) -> Path:
    progress.remark = sweep(path.parent)
    return save(snapshot, path, with_images=with_images, progress=progress)
