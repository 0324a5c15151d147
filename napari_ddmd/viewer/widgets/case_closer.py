"""Close the case in hand, and ask before what has not been saved goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from numpy.typing import NDArray
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMessageBox

from napari_ddmd.viewer.measure import fingerprint
from napari_ddmd.viewer.session.restore import close_case

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel


class CaseCloser(QObject):
    """Removes the layers of the case that a panel shows; its files stay.

    Parameters
    ----------
    panel : SegmentationPanel
        With the case.
    """

    def __init__(self, panel: SegmentationPanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self._saved: WeakKeyDictionary[Case, int] = WeakKeyDictionary()

    def note_saved(self, case: Case, mask: NDArray[Any]) -> None:
        """Remember that a mask ``(S, H, W)`` of a case is on disk."""
        self._saved[case] = fingerprint(mask)

    def close(self) -> None:
        """Close the case, unless there is something to lose and the user does not want that."""
        box, desk = self._panel.case_box, self._panel.desk
        owner = box.tagged_case
        # Another one where a layer was put in the place of another: its results go, too.
        cases = list({id(case): case for case in (owner, desk.case) if case is not None}.values())
        if any(self._has_unsaved(case) for case in cases) and not self._confirm(cases[0]):
            return
        # Images that were opened as no case belong to it as long as they are chosen.
        images = [] if owner is not None else [combo.value for combo in box.modalities.values()]
        for case in cases:
            close_case(self._panel, case)
        for image in images:
            if image is not None and image in desk.viewer.layers:
                desk.viewer.layers.remove(image)

    def _has_unsaved(self, case: Case) -> bool:
        """Tell whether there is a lesion of a run, or of the user's, other than the one that was saved last."""
        desk = self._panel.desk
        if not desk.knows(case):
            return False
        results = desk.results_of(case)
        lesion = results.lesion
        if results.volumes is None and not (lesion.is_shown and lesion.data.any()):
            return False
        return not lesion.is_shown or self._saved.get(case) != fingerprint(lesion.data)

    def _confirm(self, case: Case) -> bool:
        question = f"Close {case.name}, with its results and edits that have not been saved?"
        answer = QMessageBox.question(self._panel, "Close the case?", question)
        return bool(answer == QMessageBox.StandardButton.Yes)
