"""The button that saves what there is of a case."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_ddmd.viewer.case_names import call, name_for_saving
from napari_ddmd.viewer.remarks import in_short
from napari_ddmd.viewer.saving import remarks_on, save_results
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.viewer.widgets.save_dialog import SaveChoice, SaveDialog
from napari_ddmd.whole_files import sweep
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari_ddmd.saveable import Saveable

_MOST_NAMES = 3
_MASK = "mask"
_SAVE, _SAVING = "Save…", "Saving…"


class SaveButton(QPushButton):
    """Asks what is saved and where, and saves it in the background, on the grid of the case's own files.

    Parameters
    ----------
    source : callable
        Returns what there is to save, as it stands; None where there is nothing.

    Signals
    -------
    mask_saved
        The case, and the mask ``(S, H, W)`` that is on disk now.
    ended
        How a save ended: in short, and in full.
    saved
        The files that were written; none where a save has failed.
    """

    mask_saved = Signal(object, object)
    ended = Signal(str, str)
    saved = Signal(object)

    def __init__(self, source: Callable[[], Saveable | None], parent: QWidget | None = None) -> None:
        super().__init__(_SAVE, parent)
        self._source = source
        self._available, self._saving = True, False
        self._kept: Saveable | None = None
        self._has_mask = False
        self.choice = SaveChoice()
        self.setToolTip("Save the mask, the model's results, a table of the lesions and a report")
        self.clicked.connect(self._ask)
        self._writer = Background(self)
        self._writer.done.connect(self._on_saved)
        self._writer.failed.connect(self._on_failed)

    def set_available(self, available: bool) -> None:
        """Say whether there is anything to save; the button waits for a save that is being written."""
        self._available = available
        self.setEnabled(available and not self._saving)

    def save(self, folder: Path, kinds: Collection[str] | None = None) -> None:
        """Save into a folder, in the background; replaces files of the same names. One save at a time.

        Parameters
        ----------
        folder : Path
            Where the files go.
        kinds : collection of str, optional
            Keys of `napari_ddmd.viewer.saving.KINDS`; without it, those that were chosen last.
        """
        content = self._source()
        if content is None or self._saving:
            return
        chosen = self.choice.kinds if kinds is None else frozenset(kinds)
        content = replace(content, with_expert=self.choice.with_expert)
        self._set_saving(True)
        # What is saved is what was on screen when the button was pressed.
        self._kept = content.kept()
        self._has_mask = _MASK in chosen
        self._writer.start(_save, folder, chosen, self._kept.named(name_for_saving(content.case)))

    def _set_saving(self, saving: bool) -> None:
        self._saving = saving
        self.setText(_SAVING if saving else _SAVE)
        self.set_available(self._available)

    def _ask(self) -> None:
        content = self._source()
        if content is None:
            return
        dialog = SaveDialog(content, self.choice, self)
        accepted = bool(dialog.exec())
        self.choice = dialog.choice if accepted else self.choice
        dialog.deleteLater()
        if not accepted:
            return
        # Cases open and close in the background while the dialog asks.
        now = self._source()
        if now is None or now.case is not content.case:
            show_error("Another case is in hand now; nothing was saved")
            return
        call(content.case, dialog.name)
        self.save(dialog.folder, dialog.kinds)

    def _on_saved(self, answer: tuple[list[Path], list[str]]) -> None:
        files, remarks = answer
        self._set_saving(False)
        for remark in remarks:
            show_warning(in_short(remark))
        kept, self._kept = self._kept, None
        if kept is not None and self._has_mask:
            self.mask_saved.emit(kept.case, kept.mask)
        names = [file.name for file in files]
        if len(names) > _MOST_NAMES:
            names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more files"]
        listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        folder = files[0].parent
        told = f"Saved {listed} in {folder}"
        show_info(told)
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        self.ended.emit(f"Saved {count} in {folder.name or folder}.", told)
        self.saved.emit(files)

    def _on_failed(self, error: Exception) -> None:
        self._set_saving(False)
        self._kept = None
        show_error(in_short(reason(error)))
        self.ended.emit(f"Not saved: {in_short(reason(error), parts=2)}.", reason(error))
        self.saved.emit([])


def _save(folder: Path, kinds: Collection[str], content: Saveable) -> tuple[list[Path], list[str]]:
    """Save, and say what an earlier save that was cut off has left there, and what the files do not hold."""
    left = sweep(folder)
    files = save_results(folder, kinds, content)
    return files, [*([left] if left else []), *remarks_on(kinds, content)]
