"""Set the panel as a session had it; what belongs to the model waits until that is loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.session.stored_window import StoredSettings

if TYPE_CHECKING:
    from napari_ddmd.viewer.widgets.panel import SegmentationPanel

_AUTO = "auto"


class PanelSettings(QObject):
    """Gives settings to a panel.

    Parameters
    ----------
    panel
        Its case has to be the session's when the settings come.

    Signals
    -------
    remarked
        One line about a setting that cannot be as it was.
    """

    remarked = Signal(str)

    def __init__(self, panel: SegmentationPanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self._wanted: StoredSettings | None = None
        self._has_chosen = False
        panel.model_box.changed.connect(self._on_model)

    def give(self, settings: StoredSettings) -> None:
        """Set the panel; samples, steps, sampler, seed and device as soon as a model is loaded."""
        panel = self._panel
        panel.slice_box.set_mode(settings.slice_mode)
        panel.slice_box.range_slider.setValue((settings.first, settings.last))
        for index in range(panel.tabs.count()):
            if panel.tabs.tabText(index) == settings.tab:
                panel.tabs.setCurrentIndex(index)
        self._wanted, self._has_chosen = settings, False
        self._on_model()

    def _on_model(self) -> None:
        wanted, box = self._wanted, self._panel.model_box
        if wanted is None:
            return
        is_wanted = box.bundle is not None and wanted.model_sha256 in (None, box.bundle.sha256)
        index = box.model_list.findText(wanted.model_name)
        if not is_wanted and not self._has_chosen and index >= 0:
            self._has_chosen = True
            if index != box.model_list.currentIndex():
                # Loads it, and comes back here.
                box.model_list.setCurrentIndex(index)
                return
        if box.bundle is None:
            return
        self._wanted = None
        self._set_sampling(wanted.sampling)
        results = self._panel.desk.results
        is_moved = (
            wanted.model_sha256 == box.bundle.sha256 and wanted.threshold != box.bundle.settings.sampling.threshold
        )
        if is_moved and (results is None or results.recipe is None):
            self._panel.desk.set_threshold(wanted.threshold)
            self._panel.result_box.set_threshold(wanted.threshold)
        if not is_wanted:
            self.remarked.emit(
                f'The session\'s model "{wanted.model_name}" is not installed here, or not in the same version: '
                f'its results are shown, and a run with "{box.bundle.name}" begins anew.'
            )

    def _set_sampling(self, sampling: Sampling) -> None:
        box = self._panel.sampling_box
        if not box.set_sampling(sampling):
            box.device.setCurrentText(_AUTO)
            self._forget_device(sampling.device)
            self.remarked.emit(f'This computer has no "{sampling.device}", on which the session ran: auto is set.')

    def _forget_device(self, device: str) -> None:
        """What ran on a device that is not here counts as done by the one that is."""
        results = self._panel.desk.results
        if results is not None and results.recipe is not None and results.recipe.sampling.device == device:
            results.recipe = replace(results.recipe, sampling=replace(results.recipe.sampling, device=_AUTO))
