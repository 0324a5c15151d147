"""What is to be saved of which case, and what has been."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from napari.utils.notifications import show_warning

from napari_ddmd.viewer.autosave import AutosaveError, Edits, Found, autosave_of, case_key
from napari_ddmd.viewer.measure import fingerprint
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from pathlib import Path

    from napari_ddmd.case import Case
    from napari_ddmd.viewer.lesion_layer import LesionLayer
    from napari_ddmd.viewer.result_layers import ResultLayers

# What is saved of a case's lesion, which outlives the panel.
_SEEN: WeakKeyDictionary[Case, tuple[int, int]] = WeakKeyDictionary()


class Keeper:
    """What is to be saved of which case; it outlives the panel, to write the last edits when that goes."""

    def __init__(self) -> None:
        self._opened: WeakSet[Case] = WeakSet()
        self._origins: WeakKeyDictionary[Case, tuple[Path, int]] = WeakKeyDictionary()
        self._seen = _SEEN
        self._due: dict[Case, ResultLayers] = {}
        self._taken: dict[Case, ResultLayers] = {}
        self._number = 0
        self._written: WeakKeyDictionary[Case, int] = WeakKeyDictionary()
        self._one_writer = Lock()

    @property
    def is_due(self) -> bool:
        """Whether a lesion may have been edited since it was taken."""
        return bool(self._due)

    def note(self, case: Case, results: ResultLayers) -> None:
        """Remember that a lesion may have been edited."""
        self._due[case] = results

    def take(self) -> tuple[Case, Edits, int] | None:
        """Return a copy of one case's edits that are to be saved and its number, None where nothing has changed."""
        self.let_go()
        while self._due:
            case, results = self._due.popitem()
            lesion = results.lesion
            if lesion.layer is None:
                continue
            mark = _mark(lesion)
            before = self._seen.get(case)
            edited = bool((lesion.data != lesion.written).any())
            if mark == before or (before is None and not edited):
                continue
            try:
                edits = Edits(lesion.data.copy(), lesion.written.copy(), results.threshold)
            except MemoryError:
                self._due[case] = results  # to be tried again
                raise
            self._seen[case] = mark
            self._taken[case] = results
            self._number += 1
            return case, edits, self._number
        return None

    def let_go(self) -> None:
        """Keep what was taken no longer: it is saved."""
        self._taken.clear()

    def was_saved(self, case: Case, lesion: LesionLayer) -> None:
        """Take the lesion as it stands for saved."""
        self._seen[case] = _mark(lesion)
        for waiting in (self._due, self._taken):
            waiting.pop(case, None)
        self._drop_origin(case, self._number + 1)

    def forget(self) -> None:
        """Take what was taken for saved no longer: it could not be written, and is to be tried again."""
        for case in self._taken:
            self._seen.pop(case, None)
        self._due = self._taken | self._due

    def write(self, case: Case, edits: Edits, number: int) -> None:
        """Save edits, or remove the file of edits that were all taken back; nothing where later ones were written."""
        key, store = case_key(case), autosave_of(case)
        with self._one_writer:
            if number < self._written.get(case, 0):
                return
            if edits.edited_slices:
                store.save(key, edits)
            else:
                store.discard(store.path(key))
            self._written[case] = number
            self._drop_origin(case, number)

    def note_restored(self, case: Case, origin: Path) -> None:
        """Remember the file that edits were restored from, which goes when they are in another one."""
        self._origins[case] = origin, self._number

    def _drop_origin(self, case: Case, number: int) -> None:
        """Remove the file that edits were restored from, unless what was saved had been taken before that."""
        origin, last_before = self._origins.get(case, (None, 0))
        if origin is not None and number > last_before:
            self._origins.pop(case, None)
            autosave_of(case).discard(origin)

    def find(self, case: Case, in_use: Collection[Path]) -> tuple[Case, Found | None, list[str]]:
        """Look for edits of a case that were left; after what is being written, which may be of the same patient."""
        store = autosave_of(case)
        with self._one_writer:
            swept = store.sweep()
            found, problems = store.find(case_key(case), case.grid.shape, in_use)
        return case, found, [*swept, *problems]

    def note_open(self, case: Case | None, is_open: Callable[[Case], bool]) -> None:
        """Note that a case is opened, and which of those before are closed: their edits may be offered again."""
        if case is not None:
            self._opened.add(case)
        for one in list(self._opened):
            if one is case or is_open(one):
                autosave_of(one).open()
            else:
                autosave_of(one).leave(is_pending=one in self._due or one in self._taken)

    def close(self, *_: object) -> None:
        """Save what is to be saved: there is nobody any more who would save what comes."""
        self.flush()
        for one in self._opened:  # their layers may stay, without a panel
            autosave_of(one).is_open = False

    def flush(self, *_: object) -> None:
        """Save at once what is to be saved, in this thread, and again what is being saved: that may still fail."""
        if self._taken:
            self.forget()
        taken = None
        try:
            while (taken := self.take()) is not None:
                try:
                    self.write(*taken)
                except AutosaveError as error:
                    self._seen.pop(taken[0], None)  # for a panel that is opened again
                    show_warning(reason(error))
        except MemoryError:
            if taken is not None:
                self._seen.pop(taken[0], None)
            show_warning("There is not enough memory to save edits in between: save the mask.")
        self.let_go()


def _mark(lesion: LesionLayer) -> tuple[int, int]:
    return fingerprint(lesion.data), fingerprint(lesion.written)
