"""Tab *Save*: what leaves the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_ddmd.viewer.acceptance import acceptance_of, segmented_of
from napari_ddmd.viewer.desk import Desk
from napari_ddmd.viewer.widgets.outcome_line import OutcomeLine
from napari_ddmd.viewer.widgets.save_button import SaveButton
from napari_ddmd.viewer.widgets.saved_files import SavedFiles
from napari_ddmd.viewer.widgets.scroll import VerticalScroll, column
from napari_ddmd.viewer.widgets.session_box import SessionBox

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_ddmd.editing import Numbering
    from napari_ddmd.saveable import Saveable
    from napari_ddmd.viewer.run_settings import Recipe


class SaveTab(QWidget):
    """Save the mask in hand, or the whole session.

    Parameters
    ----------
    desk : Desk
        The case, its results and the mask.
    numbering : callable
        Returns the numbers of the lesions in the table, as they are now.
    """

    def __init__(
        self,
        desk: Desk,
        numbering: Callable[[], Numbering | None] = lambda: None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk, self._numbering = desk, numbering
        self.save_button = SaveButton(self._saveable)
        self.outcome, self.saved_files = OutcomeLine(), SavedFiles()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.session_box = SessionBox(desk)
        results = (self.save_button, self.outcome, self.saved_files)
        layout.addWidget(VerticalScroll(column(("Results", results), ("Session", (self.session_box,)))))
        self.save_button.ended.connect(self.outcome.tell)
        self.save_button.saved.connect(self.saved_files.offer)
        for told in (self.outcome, self.saved_files):
            desk.case_changed.connect(told.hide)
        desk.mask_changed.connect(self._show)
        self.session_box.opening_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        self.save_button.set_available(self._desk.mask is not None and not self.session_box.is_opening)

    def _saveable(self) -> Saveable | None:
        from napari_ddmd.saveable import Saveable

        case, layer, results = self._desk.case, self._desk.mask, self._desk.results
        if case is None or layer is None:
            return None
        mask = np.asarray(layer.data)
        mark = acceptance_of(layer)
        accepted = "" if mark is None else mark.when
        copied = self._copied(layer)
        # A run that was taken back is none; of one that was taken back in part, the rest is saved.
        if results is None or results.volumes is None or results.recipe is None or not results.done:
            lesion = None if results is None else results.lesion
            restored = lesion is not None and layer is lesion.layer and bool(lesion.written.any())
            kept: dict[str, Any] = {"accepted": accepted, "numbering": self._numbering()}
            return Saveable(case=case, mask=mask, is_restored=restored, **copied, **kept)
        is_models, volumes = layer is results.lesion.layer, results.volumes
        if results.done != results.computed:
            volumes = volumes.only(results.done)
        return Saveable(
            case=case,
            mask=mask,
            volumes=volumes,
            model=self._desk.model_of(results.recipe),
            settings=_settings(results.recipe, volumes.devices, results.threshold),
            threshold=results.threshold,
            is_models=is_models,
            accepted=accepted,
            numbering=self._numbering(),
            edited_slices=tuple(results.lesion.edited_slices) if is_models else (),
            **copied,
        )

    def _copied(self, layer: Labels) -> dict[str, Any]:
        """What is known of a mask that is a copy of what a run has said; nothing of others."""
        results, copied = self._desk.results, segmented_of(layer)
        lesion = None if results is None else results.lesion.layer
        if copied is None or layer is lesion or not copied.slices.any():
            return {}
        shown = None if lesion is None else segmented_of(lesion)
        recipe = None
        if results is not None and shown is not None and shown.run == copied.run:
            recipe = results.recipe
        elif results is not None and copied.run in results.kept.numbers:
            recipe = results.kept[copied.run].recipe
        return {"is_copy": True, "proposed_by": None if recipe is None else self._desk.model_of(recipe)}


def _settings(recipe: Recipe, devices: Sequence[str], threshold: float) -> dict[str, Any]:
    """What a run was asked for, and what really computed, where that is known."""
    own: dict[str, Any] = {"device": ", ".join(devices) or recipe.sampling.device}
    own |= {"min_part": recipe.cut.min_part, "min_peak": recipe.cut.asked_peak(threshold)}
    own |= {name: getattr(recipe, name) for name in ("shared_guess", "healthy_below", "evens_out")}
    return {**asdict(recipe.sampling), **own}
