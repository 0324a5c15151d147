"""Saves edits in the background, and offers those that a crash or a case that was closed has left."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.utils.notifications import show_info, show_warning
from numpy.typing import NDArray
from qtpy.QtCore import QCoreApplication, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_ddmd.cut import Cut
from napari_ddmd.viewer.autosave import Autosave, Edits, Found, autosave_of, case_key, files_in_use
from napari_ddmd.viewer.autosave_keeper import Keeper
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.layer_tag import is_of
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.viewer.widgets.edited_box import MOST_RANGES
from napari_ddmd.without_values import reason
from napari_ddmd.wording import ranges

if TYPE_CHECKING:
    from pathlib import Path

    from napari_ddmd.case import Case
    from napari_ddmd.viewer.lesion_layer import LesionLayer

REST_MS = 5_000
LATEST_MS = 30_000
_CONNECTED = "napari-ddmd saves edits at the end"
_keepers: WeakSet[Keeper] = WeakSet()


class AutosaveBox(QWidget):
    """Hidden, unless there are edits to restore, of an earlier session or of the case when it was open before.

    Parameters
    ----------
    desk : Desk
        The case and its lesion.
    rest_ms, latest_ms : int
        Edits are saved when they have rested so long, and while they go on at least so often.
    """

    def __init__(
        self, desk: Desk, *, rest_ms: int = REST_MS, latest_ms: int = LATEST_MS, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self.keeper = Keeper()
        self._offers: WeakKeyDictionary[Case, Found] = WeakKeyDictionary()
        self._looked: WeakSet[Case] = WeakSet()
        self._saving = self._has_failed = False
        self._obsolete: tuple[Autosave, Path] | None = None
        self.label = QLabel("")
        self.label.setWordWrap(True)
        self.restore_button, self.discard_button = QPushButton("Restore"), QPushButton("Discard")
        self.restore_button.setToolTip("Take the edits into the mask; a later run keeps them")
        self.discard_button.setToolTip("Remove the saved edits for good")
        self._lay_out()
        self._rest, self._latest = (self._make_clock(wait) for wait in (rest_ms, latest_ms))
        self._worker, self._finder = Background(self), Background(self)
        self._worker.done.connect(self._on_saved)
        self._worker.failed.connect(self._on_failed)
        self._finder.done.connect(self._on_found)
        self._finder.failed.connect(lambda error: show_warning(f"Edits of earlier sessions: {reason(error)}"))
        self.restore_button.clicked.connect(self.restore)
        self.discard_button.clicked.connect(self.discard)
        desk.mask_edited.connect(self._on_edited)
        desk.lesion_changed.connect(self._note)
        desk.case_changed.connect(self._on_case)
        self.destroyed.connect(partial(Keeper.close, self.keeper))  # which holds the keeper until then
        _flush_at_quit(self.keeper)
        self._on_case()

    def restore(self) -> None:
        """Take the edits that were found into the case's lesion."""
        case = self._desk.case
        found = None if case is None else self._offers.pop(case, None)
        if case is None or found is None:
            return
        edits, results = found.edits, self._desk.results_of(case)
        # At 0.5 most models cut: then it is taken for not moved by the reader, and stays that of the model of today.
        own = {Cut().threshold, results.threshold, self._desk.wanted_threshold.own_of(results)}
        is_moved = results.volumes is None and edits.threshold not in own
        threshold = edits.threshold if is_moved else results.threshold
        self.keeper.note_restored(case, found.path)
        if results.lesion.layer is not None:
            results.lesion.ensure(results.threshold)
            _restore_onto(results.lesion, edits, has_run=results.volumes is not None)
        else:
            results.lesion.restore(edits.mask, edits.written, threshold)
        if is_moved:  # what a run has found since is cut at another
            results.set_threshold(threshold)
            self._desk.threshold_changed.emit()
        self._desk.results_changed.emit()
        self._show()
        self._on_edited()

    def discard(self) -> None:
        """Remove the edits that were found."""
        case = self._desk.case
        found = None if case is None else self._offers.pop(case, None)
        if case is not None and found is not None:
            autosave_of(case).discard(found.path)
        self._show()

    def saved(self, case: Case, mask: NDArray[Any]) -> None:
        """Forget the autosave of a case whose mask was saved by the user.

        Parameters
        ----------
        case : Case
            The patient.
        mask : (S, H, W) ndarray
            What was saved; edits since then stay.
        """
        if not self._desk.knows(case):
            return
        lesion = self._desk.results_of(case).lesion
        if lesion.layer is None or not np.array_equal(lesion.data, mask):
            return
        self.keeper.was_saved(case, lesion)
        store = autosave_of(case)
        path = store.path(case_key(case))
        store.discard(path)
        # A file that is being written now would come back.
        self._obsolete = (store, path) if self._saving else None

    def _on_edited(self) -> None:
        if self._desk.case is not None:
            self._note(self._desk.case)

    def _note(self, case: Case) -> None:
        """Have edits of a case saved soon; its layers may be painted on while another one is read."""
        if not self._desk.knows(case):
            return
        results = self._desk.results_of(case)
        if not results.lesion.is_shown:
            return
        self.keeper.note(case, results)
        self._rest.start()
        if not self._latest.isActive():
            self._latest.start()

    def _save(self) -> None:
        if self._saving:
            # One file, one writer: an older state must not replace a newer one.
            self._rest.start()
            return
        self._rest.stop()
        self._latest.stop()
        try:
            taken = self.keeper.take()
        except MemoryError:
            self._on_failed(MemoryError("not enough memory to save edits in between; save the mask"))
            return
        if taken is not None:
            self._saving = True
            self._worker.start(self.keeper.write, *taken)

    def _on_saved(self, _answer: object) -> None:
        self._saving = self._has_failed = False
        self.keeper.let_go()
        obsolete, self._obsolete = self._obsolete, None
        if obsolete is not None:
            store, path = obsolete
            store.discard(path)
        if self.keeper.is_due:
            self._rest.start()
        self._look()

    def _on_failed(self, error: Exception) -> None:
        self._saving, self._obsolete = False, None
        self.keeper.forget()
        if not self._has_failed:
            show_warning(reason(error))
        self._has_failed = True
        if self.keeper.is_due:
            self._rest.start()
        if self._desk.case is not None and self._desk.case not in self._looked:
            self._find(self._desk.case)

    def _on_case(self) -> None:
        self._save()
        case = self._desk.case
        self.keeper.note_open(case, self._is_open)
        self._on_edited()  # by whoever painted while there was no panel
        self._look()
        self._show()

    def _look(self) -> None:
        """Look for edits that were left, once those of cases that were just closed are saved."""
        case = self._desk.case
        if case is None or case in self._looked:
            return
        if self.keeper.is_due and not self._saving:
            self._save()
        if not self._saving:
            self._find(case)

    def _find(self, case: Case) -> None:
        self._finder.start(self.keeper.find, case, files_in_use(case_key(case)))

    def _is_open(self, case: Case) -> bool:
        return self._desk.knows(case) and any(is_of(layer, case) for layer in self._desk.viewer.layers)

    def _on_found(self, answer: tuple[Case, Found | None, list[str]]) -> None:
        case, found, problems = answer
        self._looked.add(case)
        for problem in problems:
            show_warning(problem)
        if found is not None:
            self._offers[case] = found
            show_info(f"{case.name}: edits of {found.time:%d %b %H:%M} were found; tab Lesions offers them.")
        self._show()

    def _show(self) -> None:
        case = self._desk.case
        found = None if case is None else self._offers.get(case)
        if case is not None and found is not None and found.is_gone:
            del self._offers[case]
            found = None
        self.setVisible(found is not None)
        if found is not None:
            edited = found.edits.edited_slices
            count = f"{len(edited)} {'slice' if len(edited) == 1 else 'slices'}"
            which = ranges(edited, most=MOST_RANGES)
            self.label.setText(f"Edits of {found.time:%d %b %H:%M} were found, in {count} ({which}).")

    def _make_clock(self, milliseconds: int) -> QTimer:
        clock = QTimer(self)
        clock.setSingleShot(True)
        clock.setInterval(milliseconds)
        clock.timeout.connect(self._save)
        return clock

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.restore_button)
        buttons.addWidget(self.discard_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addLayout(buttons)


def _restore_onto(lesion: LesionLayer, edits: Edits, *, has_run: bool) -> None:
    """Take edits into a lesion that may hold newer ones, as a step that can be taken back."""
    chosen = set(edits.edited_slices)
    if not has_run:  # what the model had found about them comes along, as the model's
        chosen |= set(np.flatnonzero(edits.written.any(axis=(1, 2))).tolist()) - set(lesion.edited_slices)
    # What is edited differs from what the model wrote: from what it had written then, where it has said nothing since.
    unsaid = sorted(chosen - lesion.said_slices)
    with lesion.editing("restoring edits") as data:
        data[sorted(chosen)] = edits.mask[sorted(chosen)]
        lesion.written[unsaid] = edits.written[unsaid]


def _flush_at_quit(keeper: Keeper) -> None:
    """Let a keeper save when the application ends: by one connection for all, which no panel that goes must undo."""
    _keepers.add(keeper)
    application = QCoreApplication.instance()
    if application is not None and not application.property(_CONNECTED):
        application.setProperty(_CONNECTED, True)
        application.aboutToQuit.connect(_flush_all)


def _flush_all() -> None:
    for keeper in list(_keepers):
        keeper.flush()
