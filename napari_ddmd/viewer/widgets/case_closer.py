"""Close the case in hand, and ask before what has not been saved goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMessageBox

from napari_ddmd.viewer.layer_tag import Role, tag_of
from napari_ddmd.viewer.measure import fingerprint
from napari_ddmd.viewer.session.restore import close_case

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.viewer.viewer_links import ViewerLinks
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel

# Masks as they are on disk, opened or saved last; their layers outlive the panel.
_ON_DISK: WeakKeyDictionary[Labels, int] = WeakKeyDictionary()


class CaseCloser(QObject):
    """Removes the layers of the case that a panel shows; its files stay.

    Parameters
    ----------
    panel : SegmentationPanel
        With the case.
    links : ViewerLinks
        Undoes the connection to the viewer.
    """

    def __init__(self, panel: SegmentationPanel, links: ViewerLinks) -> None:
        super().__init__(panel)
        self._panel = panel
        layers = panel.desk.viewer.layers
        for layer in layers:
            self._note_opened(layer)
        links.connect(layers.events.inserted, self._on_inserted)

    def note_saved(self, case: Case, mask: NDArray[Any]) -> None:
        """Remember that a mask ``(S, H, W)`` of a case is on disk."""
        saved = fingerprint(mask)
        for layer in self._masks_of(case):
            if _fingerprint(layer) == saved:
                _ON_DISK[layer] = saved

    def close(self) -> None:
        """Close the case, unless there is something to lose and the user does not want that."""
        box, desk = self._panel.case_box, self._panel.desk
        owner = box.tagged_case
        # Others where a layer was put in the place of another: their results go, too.
        cases = list({case: None for case in (owner, desk.case, *box.made_of(owner)) if case is not None})
        if any(self._has_unsaved(case) for case in cases) and not self._confirm(cases[0]):
            return
        # Images that were opened as no case belong to it as long as they are chosen.
        images = [] if owner is not None else [combo.value for combo in box.modalities.values()]
        for case in cases:
            close_case(self._panel, case)
        for image in images:
            if image is not None and image in desk.viewer.layers:
                desk.viewer.layers.remove(image)
        box.forget_made_of(owner)

    def _on_inserted(self, event: Any) -> None:
        self._note_opened(event.value)

    def _note_opened(self, layer: Layer) -> None:
        """Take a mask for what is on disk: all but the lesion, and copies of what is not."""
        if not _is_mask(layer) or layer in _ON_DISK or self._is_lesion(layer):
            return
        now, parent = _fingerprint(layer), layer.source.parent  # a weak reference
        original = None if parent is None else parent()
        if parent is None or (original is not None and _ON_DISK.get(original) == now):
            _ON_DISK[layer] = now

    def _masks_of(self, case: Case) -> list[Labels]:
        """All masks that go with a case."""
        return [one for one in self._panel.desk.viewer.layers if _is_mask(one) and _case_of(one) is case]

    def _is_lesion(self, layer: Labels) -> bool:
        """Tell whether a mask is that of the runs, of which nothing is on disk at first."""
        case, desk = _case_of(layer), self._panel.desk
        return case is not None and desk.knows(case) and desk.results_of(case).lesion.layer is layer

    def _has_unsaved(self, case: Case) -> bool:
        """Tell whether there are results, or a mask other than it was opened or saved last.

        A lesion that the user has removed is gone by their own doing, and what a run has found with it.
        """
        desk = self._panel.desk
        if any(_is_unsaved(mask) for mask in self._masks_of(case)):
            return True
        if not desk.knows(case):
            return False
        results = desk.results_of(case)
        return results.volumes is not None and results.lesion.is_shown and results.lesion.layer not in _ON_DISK

    def _confirm(self, case: Case) -> bool:
        question = f"Close {case.name}, with its results and edits that have not been saved?"
        answer = QMessageBox.question(self._panel, "Close the case?", question)
        return bool(answer == QMessageBox.StandardButton.Yes)


def _is_mask(layer: Layer) -> bool:
    tag = tag_of(layer)
    return isinstance(layer, Labels) and tag is not None and tag.role in (Role.LESION, Role.EXPERT)


def _case_of(layer: Layer) -> Case | None:
    tag = tag_of(layer)
    return None if tag is None else tag.case


def _fingerprint(layer: Labels) -> int:
    return fingerprint(np.asarray(layer.data))


def _is_unsaved(layer: Labels) -> bool:
    """Tell whether a mask is not on disk as it is; one that is empty and never was on disk is none."""
    on_disk = _ON_DISK.get(layer)
    if on_disk is None:
        return bool(np.asarray(layer.data).any())
    return on_disk != _fingerprint(layer)
