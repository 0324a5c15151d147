"""The button that saves the mask and the probability."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog, QMessageBox, QPushButton, QWidget

from napari_ddmd.viewer.saving import result_files, save_results
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari_ddmd.case import Case

Saveable = tuple["Case", NDArray[Any], NDArray[Any] | None]


class SaveButton(QPushButton):
    """Asks for a folder and saves there, on the grid of the case's own files.

    Parameters
    ----------
    source : callable
        Returns the case, the mask as it stands on screen and the probability (or None).
    """

    def __init__(self, source: Callable[[], Saveable | None], parent: QWidget | None = None) -> None:
        super().__init__("Save…", parent)
        self._source = source
        self._available, self._saving = True, False
        self.setToolTip("Save the mask and the probability as NIfTI, on the grid of the case's own files")
        self.clicked.connect(self._ask)
        self._writer = Background(self)
        self._writer.done.connect(self._on_saved)
        self._writer.failed.connect(self._on_failed)

    def set_available(self, available: bool) -> None:
        """Say whether there is anything to save; the button waits for a save that is being written."""
        self._available = available
        self.setEnabled(available and not self._saving)

    def save(self, folder: Path) -> None:
        """Save into a folder, in the background; replaces files of the same names. One save at a time."""
        source = self._source()
        if source is None or self._saving:
            return
        case, mask, probability = source
        # Copies: what is saved is what was on screen when the button was pressed.
        copies = mask.copy(), None if probability is None else probability.copy()
        self._set_saving(True)
        self._writer.start(save_results, folder, case, *copies)

    def _set_saving(self, saving: bool) -> None:
        self._saving = saving
        self.set_available(self._available)

    def _ask(self) -> None:
        source = self._source()
        if source is None:
            return
        case, _mask, probability = source
        beside = next((str(file.parent) for file in case.files.images.values()), "")
        chosen = QFileDialog.getExistingDirectory(self, "Save the mask and the probability in", beside)
        if not chosen:
            return
        files = result_files(Path(chosen), case, with_probability=probability is not None)
        taken = [file.name for file in files if file.exists()]
        if taken and not self._confirm(taken):
            return
        self.save(Path(chosen))

    def _confirm(self, names: list[str]) -> bool:
        question = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} there already. Replace?"
        return bool(QMessageBox.question(self, "Replace files?", question) == QMessageBox.StandardButton.Yes)

    def _on_saved(self, files: list[Path]) -> None:
        self._set_saving(False)
        show_info(f"Saved {' and '.join(file.name for file in files)} in {files[0].parent}")

    def _on_failed(self, error: Exception) -> None:
        self._set_saving(False)
        show_error(" ".join(str(error).split()))
