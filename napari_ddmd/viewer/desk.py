"""What lies on the reader's desk: the case, what runs have said of it, and the mask in hand."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels, Layer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_ddmd.viewer.acceptance import part_from_runs, segmented_of
from napari_ddmd.viewer.drawn_for import note_drawing
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.mask_tools import is_original
from napari_ddmd.viewer.navigation import (
    current_slice,
    current_voxel,
    fullest_slice,
    go_to_slice,
    go_to_voxel,
    step_to_finding,
)
from napari_ddmd.viewer.open_results import results_in
from napari_ddmd.viewer.painting_tools import keep_from_painting
from napari_ddmd.viewer.planes import Plane, Planes
from napari_ddmd.viewer.result_layers import ResultLayers
from napari_ddmd.viewer.sight import Sight
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.wanted_threshold import WantedThreshold

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case
    from napari_ddmd.model import Bundle
    from napari_ddmd.saveable import ModelFacts
    from napari_ddmd.viewer.run_settings import Recipe
    from napari_ddmd.volumes import Volumes


_QUIET_MS = 500
_MODELS: Final[dict[str, ModelFacts]] = {}
"""All that were chosen since napari began, by the hash of their weights: results outlive the panel."""


class Desk(QObject):
    """The state that the panel's parts share; each part hears of changes and asks here for the rest.

    Results are those of the viewer: a desk takes over what one before it, in a panel that was closed, has left.

    Signals
    -------
    case_changed
        Another case is read, or none.
    results_changed
        Slices came in, a run ended, or other results are on show. At most some ten times a second.
    mask_changed
        Another mask is in hand, or none.
    mask_edited
        Voxels of the mask in hand changed, by whatever means. Once for each change: what is slow must wait for a rest.
    threshold_changed
        The lesion is cut at another probability.
    history_changed
        What can be taken back, or which slices are edited, may be different now.
    lesion_changed
        The case whose lesion changed, also one that is not read now.
    run_stepped
        Undo or redo took slices of a run of the case back, or brought them again.
    """

    case_changed = Signal()
    results_changed = Signal()
    mask_changed = Signal()
    mask_edited = Signal()
    threshold_changed = Signal()
    history_changed = Signal()
    lesion_changed = Signal(object)
    run_stepped = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        # The lesion's layer stays when the panel goes, and must not call on a desk that is no more.
        self._links = ViewerLinks()
        self.destroyed.connect(self._links.disconnect)
        self._sight = Sight(viewer, self._links)
        self.planes = Planes(viewer, self._links, self.fit)
        self._visited: set[Plane] = set()
        self._links.connect(self.planes.changed, self._visit)
        self._all = results_in(viewer)
        self._lesion_links: dict[Case, ViewerLinks] = {}
        for case in self._all:
            self._link(case)
        self.destroyed.connect(partial(_disconnect_all, self._lesion_links))
        self._case: Case | None = None
        self._mask: Labels | None = None
        self._bundle: Bundle | None = None
        self.wanted_threshold = WantedThreshold(self._all)
        self._quiet = QTimer(self)
        self._quiet.setSingleShot(True)
        self._quiet.setInterval(_QUIET_MS)
        self._quiet.timeout.connect(self._draw_thumbnails)
        self.results_changed.connect(self._quiet.start)
        self.history_changed.connect(self._quiet.start)
        for layer in viewer.layers:
            self._receive(layer)
        self._links.connect(viewer.layers.events.inserted, self._on_inserted)

    @property
    def bundle(self) -> Bundle | None:
        """The model that is chosen, None while it is loaded."""
        return self._bundle

    @bundle.setter
    def bundle(self, bundle: Bundle | None) -> None:
        from napari_ddmd.saveable import ModelFacts

        self._bundle = bundle
        if bundle is not None:
            _MODELS[bundle.sha256] = ModelFacts.of(bundle)

    def model_of(self, recipe: Recipe) -> ModelFacts:
        """Facts of the model of a run, whichever has been chosen since; of one that never was, its weights alone."""
        from napari_ddmd.saveable import ModelFacts

        sha256 = recipe.model_sha256
        return _MODELS.get(sha256) or ModelFacts("", "", "", sha256, "")

    @property
    def models(self) -> list[ModelFacts]:
        """The models of the results and of the next run."""
        recipe = None if self.results is None else self.results.recipe
        shown = [] if recipe is None else [self.model_of(recipe)]
        return shown if self._bundle is None else [*shown, _MODELS[self._bundle.sha256]]

    @property
    def case(self) -> Case | None:
        """The case that is read."""
        return self._case

    @property
    def results(self) -> ResultLayers | None:
        """Results of the case, None before its first run."""
        return None if self._case is None else self._all.get(self._case)

    @property
    def volumes(self) -> Volumes | None:
        """What runs have said of the case so far, None before the first slice."""
        return None if self.results is None else self.results.volumes

    @property
    def threshold(self) -> float:
        """At which cases to come are cut."""
        return self.wanted_threshold.value

    @property
    def mask(self) -> Labels | None:
        """The layer that is measured, corrected and saved."""
        return self._mask

    @property
    def current_slice(self) -> int:
        """The axial slice of the case that the viewer stands at; 0 without a case."""
        return 0 if self._case is None else current_slice(self.viewer, self._case)

    @property
    def slice_in_sight(self) -> tuple[int, int] | None:
        """Across which of the case's axes the slice on the canvas lies, and its number; None where there is none."""
        plane = self.planes.plane
        if self._case is None or plane is None:
            return None
        axis = Planes.axis(plane)
        return axis, current_voxel(self.viewer, self._case)[axis]

    def fit(self, opened: Case | None = None) -> None:
        """Show the brain as large as the canvas allows; of a case that is opened and not whole where none is read."""
        self._sight.fit(self._case or opened)

    def set_case(self, case: Case | None) -> None:
        """Read another case."""
        if case is not self._case:
            self._case = case
            self._visited.clear()
            self._visit()
            if case is not None:
                self.planes.forget()
                self.fit()
            self.case_changed.emit()

    def set_mask(self, layer: Labels | None) -> None:
        """Take another mask in hand."""
        if layer is not self._mask:
            self._mask = layer
            if layer is not None and self._case is not None:
                note_drawing(layer, self._case)
            self.mask_changed.emit()

    def set_threshold(self, threshold: float) -> None:
        """Cut the case's lesion, and those of cases to come, where the reader has moved the slider."""
        results, own = self.results, self.wanted_threshold.own_of(self.results)
        changes = results is not None and results.threshold != threshold
        try:
            if results is not None:
                results.set_threshold(threshold, is_moved=threshold != own)
            self.wanted_threshold.move(None if threshold == own else threshold)
        finally:  # where memory was short, the slider goes back
            if changes:
                self.threshold_changed.emit()

    def results_of(self, case: Case) -> ResultLayers:
        """Return the results of a case; new and empty ones before its first run."""
        if case not in self._all:
            self._all[case] = ResultLayers(self.viewer, case)
            self.wanted_threshold.give(self._all[case])
        if case not in self._lesion_links:
            self._link(case)
        return self._all[case]

    def _on_inserted(self, event: Any) -> None:
        self._receive(event.value)
        if self._case is not None:
            note_drawing(event.value, self._case)

    def _receive(self, layer: Layer) -> None:
        """Keep the brush off the case's expert mask, and runs off a copy of the lesion."""
        tag = tag_of(layer)
        if tag is None or not isinstance(layer, Labels):
            return
        # A copy of the expert's mask may be drawn on: what masks are compared with stays as it is.
        if is_original(layer):
            keep_from_painting(layer)
        elif tag.case not in self._all or layer is not self._all[tag.case].lesion.layer:
            part_from_runs(layer)

    def _link(self, case: Case) -> None:
        """Hear of a case's lesion."""
        lesion, links = self._all[case].lesion, ViewerLinks()
        links.connect(lesion.stepped_to, partial(self._on_stepped, case))
        links.connect(lesion.stepped_to_run, partial(self._on_stepped_to_run, case))
        links.connect(lesion.stepped_over_run, partial(self._on_stepped_over_run, case))
        links.connect(lesion.changed, partial(self._on_lesion_changed, case))
        self._lesion_links[case] = links

    def _on_lesion_changed(self, case: Case) -> None:
        self.lesion_changed.emit(case)
        self.history_changed.emit()

    def _draw_thumbnails(self) -> None:
        if self.results is not None:
            self.results.draw_thumbnails()

    def _on_stepped(self, case: Case, threshold: float, is_move: bool) -> None:
        """Follow undo and redo to the threshold of that time; of cases to come, a move of the reader's alone tells."""
        results = self._all[case]
        results.threshold, results.is_moved = threshold, threshold != self.wanted_threshold.own_of(results)
        if case is self._case:
            if is_move:
                self.wanted_threshold.move(threshold if results.is_moved else None)
            self.threshold_changed.emit()

    def _on_stepped_to_run(self, case: Case, _run: int) -> None:
        if case is self._case:
            self.results_changed.emit()

    def _on_stepped_over_run(self, case: Case) -> None:
        if case is self._case:
            self.run_stepped.emit()

    @property
    def says_something(self) -> bool:
        """Whether the mask in hand says anything: voxels, or slices on which a run, or a file, has found nothing.

        An empty layer that somebody added says nothing: nobody knows whether it is there to be drawn on.
        """
        mask, results = self._mask, self.results
        if mask is None:
            return False
        voxels = np.asarray(mask.data)
        if results is not None and mask is results.lesion.layer:
            says = self.has_said
        elif (segmented := segmented_of(mask)) is not None:  # a copy of the lesion
            says = bool(segmented.slices.any())
        else:
            says = tag_of(mask) is not None or mask.source.path is not None
        return says or bool(voxels.any())

    @property
    def has_said(self) -> bool:
        """Whether a run has said anything that stands, or had of a mask that was restored without its results."""
        results = self.results
        return results is not None and (bool(results.done) or bool(results.lesion.written.any()))

    def knows(self, case: Case) -> bool:
        """Tell whether there are results of a case."""
        return case in self._all

    def forget_all_but(self, cases: Collection[Case | None]) -> None:
        """Let go of the results of cases that are closed."""
        for closed in [case for case in self._all if case not in cases]:
            if closed in self._lesion_links:
                self._lesion_links.pop(closed).disconnect()
            del self._all[closed]

    def go_to(self, index: int) -> None:
        """Show an axial slice of the case, which another plane could not."""
        if self._case is not None:
            self.planes.show(Plane.AXIAL)
            go_to_slice(self.viewer, self._case, index)

    def show_plane(self, plane: Plane) -> None:
        """Show another plane; for the first time, at the lesion, which the middle of the head may miss."""
        is_new = plane not in self._visited
        self.planes.show(plane)
        axis = Planes.axis(plane)
        if self._case is None or self._mask is None or axis == 0 or not is_new:
            return
        mask, voxel = np.asarray(self._mask.data), list(current_voxel(self.viewer, self._case))
        # The lesion on the axial slice that was looked at, or else the largest.
        fullest = fullest_slice(mask, axis, voxel[0])
        if fullest is None:
            fullest = fullest_slice(mask, axis)
        if fullest is not None and not (mask.take(voxel[axis], axis) > 0).any():
            voxel[axis] = fullest
            go_to_voxel(self.viewer, self._case, voxel)

    def _visit(self) -> None:
        """Note that the plane on screen is looked at, whoever chose it."""
        if self.planes.plane is not None:
            self._visited.add(self.planes.plane)

    def go_to_voxel(self, voxel: tuple[float, float, float]) -> None:
        """Show a voxel ``(s, h, w)`` of the case, in whatever plane."""
        if self._case is not None:
            go_to_voxel(self.viewer, self._case, voxel)

    def step_to_finding(self, way: int) -> bool:
        """Go to the next slice of the plane (or, with −1, the one before) on which the mask in hand has anything."""
        if self._case is None or self._mask is None:
            return False
        return step_to_finding(self.viewer, self._case, np.asarray(self._mask.data), way)


def _disconnect_all(links: dict[Case, ViewerLinks]) -> None:
    for each in links.values():
        each.disconnect()
