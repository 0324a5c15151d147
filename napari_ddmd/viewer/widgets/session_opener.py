"""Open a session: read it in the background, then put it into the window step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.session.archive import SessionError, read_session
from napari_ddmd.viewer.session.case_files import find_images, images_in
from napari_ddmd.viewer.session.loading import Loaded, load
from napari_ddmd.viewer.session.restore import make_layers, replace_twin, steps_into_window, twin_of
from napari_ddmd.viewer.session.settings import PanelSettings
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.viewer.widgets.steps import Steps
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_ddmd.case import Case, CaseFiles
    from napari_ddmd.viewer.session.stored import Session
    from napari_ddmd.viewer.session.stored_case import StoredCase
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel

# Beside one for each layer of the case: results, order, view and the like.
_OTHER_STEPS = 7
_RUN_IS_ON = "{}: a run is on; open the session when it has ended, or cancel it"


# Share of the whole that reading the file takes; the rest are the window's steps.
_READING = 0.6


class _Progress:
    """How far it is, None where nobody counts; set by the thread that reads, which ends once it is cancelled."""

    share: float | None = None
    is_cancelled = False
    # Whether all that is read is in the file: nobody counts how long images take that are elsewhere.
    counts = True

    def __call__(self, share: float) -> None:
        if self.is_cancelled:
            raise SessionError("cancelled")
        self.share = _READING * share if self.counts else None


class SessionOpener(QObject):
    """Opens sessions in a panel's window, one at a time.

    The tab *Save*, which shows how far it is, comes to the front. While layers come in, the rest of the panel waits.

    Parameters
    ----------
    panel
        Of the window.
    parent
        Of the dialog that asks for a folder.
    confirm
        Asks a question, given its title and its words.

    Signals
    -------
    told
        What is being done, in words.
    ended
        The session is open, or it is not; what has become of it in words, or nothing.
    """

    told = Signal(str)
    ended = Signal(str)

    def __init__(self, panel: SegmentationPanel, parent: QWidget, confirm: Callable[[str, str], bool]) -> None:
        super().__init__(parent)
        self._panel, self._parent, self._confirm = panel, parent, confirm
        self._settings = PanelSettings(panel)
        self._settings.remarked.connect(show_warning)
        self._path = Path()
        self._progress = _Progress()
        self._loaded: Loaded | None = None
        self._tab = 0
        self.is_busy = False
        self._reader, self._loader, self._steps = Background(self), Background(self), Steps(self)
        self._reader.done.connect(self._on_read)
        self._loader.done.connect(self._on_loaded)
        self._steps.done.connect(self._on_put)
        for work in (self._reader, self._loader, self._steps):
            work.failed.connect(self._on_failed)

    @property
    def share(self) -> float | None:
        """How far it is; None where nobody counts."""
        return self._progress.share

    def open(self, path: Path) -> None:
        """Open a session."""
        if self._panel.controller.is_running:
            self._on_failed(SessionError(_RUN_IS_ON.format(path)))
            return
        self._path, self._progress, self._loaded = path, _Progress(), None
        self.is_busy = True
        self._tab = self._panel.tabs.currentIndex()
        self._panel.tabs.setCurrentWidget(self._panel.save_tab)
        self._reader.start(read_session, path)

    def cancel(self) -> None:
        """Stop; the window is as it was before."""
        self._progress.is_cancelled = True
        for work in (self._reader, self._loader):
            work.forget()
        self._steps.stop()
        self._loaded = None
        self._end("Cancelled; no session was opened")

    def _hold(self, held: bool) -> None:
        """Let the rest of the panel wait: what it does would fall between the steps."""
        panel = self._panel
        if held:
            panel.tabs.setCurrentWidget(panel.save_tab)
        for part in (panel.layout_part, panel.summary_bar, panel.run_bar, panel.tabs.tabBar()):
            if part is not None:
                part.setEnabled(not held)

    def _end(self, said: str) -> None:
        if self.is_busy:
            self.is_busy = False
            self._hold(False)
            if self._loaded is None:
                self._panel.tabs.setCurrentIndex(self._tab)
        self.ended.emit(said)

    def _on_read(self, session: Session) -> None:
        """Find the images, ask for them where they are not, and go on."""
        places: list[CaseFiles] = []
        if session.case.images:
            places = find_images(self._path, session.case)
            while not places:
                folder = self._ask_for_folder(session.case)
                if folder is None:
                    self._end("")
                    return
                places = images_in(folder, session.case)
        self._progress.counts = not places
        self._loader.start(_read, self._path, session, places, self._progress)

    def _ask_for_folder(self, stored: StoredCase) -> Path | None:
        name = Path(stored.images[0].absolute.replace("\\", "/")).name
        title = f"Where are the images of {stored.name} now? Choose the folder with {name}"
        chosen = QFileDialog.getExistingDirectory(self._parent, title)
        return Path(chosen) if chosen else None

    def _on_loaded(self, read: tuple[Loaded, dict[str, Layer]]) -> None:
        loaded, layers = read
        if self._panel.controller.is_running:
            # It was started while the file was read; the session might close its case.
            self._on_failed(SessionError(_RUN_IS_ON.format(loaded.path)))
            return
        twin = twin_of(loaded, self._panel.desk.viewer)
        if twin is not None and not self._may_close(twin):
            self._end("")
            return
        self._hold(True)
        self.told.emit("Putting the session into the window…")
        self._loaded = loaded
        self._steps.start(self._put(loaded, layers, twin))

    def _put(self, loaded: Loaded, layers: dict[str, Layer], twin: Case | None) -> Iterator[None]:
        expected = len(layers) + _OTHER_STEPS
        with closing(steps_into_window(loaded, self._panel, layers)) as steps:
            for done, _ in enumerate(steps):
                self._progress.share = _READING + (1 - _READING) * min(done / expected, 1)
                yield
        # In the end: until then, the window can be as it was before.
        if twin is not None:
            replace_twin(self._panel, twin, loaded.case)

    def _on_put(self) -> None:
        loaded, panel = self._loaded, self._panel
        assert loaded is not None
        self._settings.give(loaded.session.settings)
        if loaded.lesion is not None:
            # What is on disk needs no autosave.
            keeper = panel.lesion_tab.autosave_box.keeper
            lesion = panel.desk.results_of(loaded.case).lesion
            keeper.was_saved(loaded.case, lesion)
            panel.case_closer.note_saved(loaded.case, lesion.data)
        self._end(f"Opened {loaded.path.name}")
        for remark in (*loaded.case.warnings, *loaded.remarks):
            show_warning(in_short(remark))
        self._loaded = None

    def _may_close(self, case: Case) -> bool:
        question = f"{case.name} is open. Close it, with what has not been saved, and open the session?"
        return self._confirm("Close the case?", question)

    def _on_failed(self, error: Exception) -> None:
        self._loaded = None
        self._end("")
        show_error(in_short(reason(error)))


def _read(
    path: Path, session: Session, places: list[CaseFiles], progress: _Progress
) -> tuple[Loaded, dict[str, Layer]]:
    """Read all of a session, and make the layers of its case: the first of a window take seconds."""
    loaded = load(path, session, places, progress)
    return loaded, make_layers(loaded)
