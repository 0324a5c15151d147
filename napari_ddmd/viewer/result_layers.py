"""The results of one case on screen: maps, samples and the lesion, filled slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_ddmd.viewer.drawn_apart import drawn_apart
from napari_ddmd.viewer.kept_run import KeptRun, KeptRuns
from napari_ddmd.viewer.layer_tag import Role, is_of
from napari_ddmd.viewer.lesion_layer import LesionLayer
from napari_ddmd.viewer.mask_tools import is_expert
from napari_ddmd.viewer.navigation import shows_slice
from napari_ddmd.viewer.result_looks import (
    NO_LIMITS,
    NONE,
    agreement_colors,
    first_limits,
    result_layer,
    show_sample_in,
    shown_arrays,
    widen_limits,
)
from napari_ddmd.viewer.selection import selection_kept
from napari_ddmd.volumes import Volumes

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case
    from napari_ddmd.segment import SliceResult
    from napari_ddmd.viewer.run_settings import Recipe

_MAPS = (Role.INTER, Role.INTRA)


class ResultLayers:
    """Results of one case and their layers.

    The image layers show the very arrays of `Volumes`, so that a new slice costs a copy of that slice and one redraw.
    Layers that the user removes stay removed until the next run.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live.
    case : Case
        The patient.
    """

    def __init__(self, viewer: ViewerModel, case: Case) -> None:
        self._viewer, self._case = viewer, case
        self.lesion = LesionLayer(viewer, case)
        self.volumes: Volumes | None = None
        self.recipe: Recipe | None = None
        self.threshold, self.is_moved = 0.5, False  # by the reader, from that of the model
        self.sample = 0
        self._layers: dict[Role, Layer] = {}
        self._limits: dict[Role, tuple[float, float]] = {}
        self._dirty: set[int] = set()
        self._starting = True
        self._coming: list[Role] = []
        self._stale: list[Role] = []
        self._run = self._latest = 0
        self.kept = KeptRuns()
        self.lesion.stepped_to_run.connect(self._show_run)

    @property
    def done(self) -> set[int]:
        """Slices that have a result which stands: it was not taken back."""
        return self.computed & self.lesion.said_slices

    @property
    def computed(self) -> set[int]:
        """Slices that need no run, as they have a result; one that was taken back, too, comes again without a run."""
        return set() if self.volumes is None else set(self.volumes.done)

    @property
    def samples(self) -> int:
        """Number of sampled masks a slice."""
        return 0 if self.volumes is None else len(self.volumes.samples)

    def computed_by(self, recipe: Recipe) -> set[int]:
        """Slices that need no run of a recipe: of the results on screen, or of those of an earlier run."""
        if recipe.matches(self.recipe):
            return self.computed
        number = self.kept.number_of(recipe)
        return set() if number is None else set(self.kept[number].volumes.done)

    def resume(self, recipe: Recipe) -> bool:
        """Show what an earlier run of a recipe has found, with what is on screen to come back by undo; tell whether."""
        if (number := self.kept.number_of(recipe)) is None:
            return False
        run = self.kept[number]
        # All that takes memory comes first: mask and maps must never be of two runs.
        threshold = self.threshold if self.is_moved else recipe.cut.threshold
        mask = run.volumes.mask(threshold)
        made = {role: result_layer(role, run.volumes, run.sample, self._case) for role in self._missing(run.volumes)}
        self.lesion.turn_to(number, mask, run.volumes.done, threshold)
        self.threshold = threshold
        try:
            self._show_run(number, made)
        finally:
            self.lesion.forget_all_but(self.kept.numbers)
            self.lesion.redraw()
        return True

    def begin(self) -> None:
        """Announce a run: the lesion's layer, the slowest, is made at once, and the others with the first result."""
        self._starting = True
        self._ensure_lesion()
        self.lesion.hold_run(True)

    def restore(self) -> None:
        """Make the layers that the user removed again, with all results so far, and the mask that was taken back."""
        if self.volumes is not None:
            self._ensure_layers()
            self.bring_back()
            self.settle()

    def bring_back(self) -> None:
        """Write slices that were taken back into the mask again: the run that found them goes on."""
        if self.volumes is not None:
            self.lesion.fill(self.volumes.mask(self.threshold), self.volumes.done)

    @property
    def map_limits(self) -> dict[Role, float]:
        """Up to which the maps are displayed, where the user has not set it."""
        return {role: self._limits[role][1] for role in _MAPS if role in self._limits}

    def take_over(
        self, recipe: Recipe, volumes: Volumes, *, threshold: float, sample: int, map_limits: Mapping[Role, float]
    ) -> None:
        """Show results that were there before, as if this had run them; for a case without results."""
        self.recipe, self.volumes = recipe, volumes
        self.threshold, self.is_moved, self.sample = threshold, threshold != recipe.cut.threshold, sample
        self._starting = False
        self._ensure_layers(map_limits)
        self.lesion.begin_anew(volumes.done)

    def add(self, recipe: Recipe, result: SliceResult) -> None:
        """Take in one slice; results of another recipe are replaced first, hand edits are kept aside."""
        if not recipe.matches(self.recipe) and not self.resume(recipe):
            self._renew(recipe, result)
        assert self.volumes is not None
        self.recipe = recipe  # the same by another name, perhaps
        self.volumes.add(result)
        if self._starting:
            self._starting = False
            self._ensure_lesion()
            self._coming = self._missing(self.volumes)
        self.lesion.write(result.index, result.mask(self.threshold))
        self._widen_limits(Role.INTER, result.inter)
        self._widen_limits(Role.INTRA, result.intra)
        self._dirty.add(result.index)

    @property
    def awaits_layers(self) -> bool:
        """Whether `refresh` has layers left to make, or to fill."""
        return bool(self._coming or self._stale)

    def refresh(self) -> None:
        """Redraw the layers that show a slice which has changed since the last call.

        One layer is made a call, until all are there: together they would hold up the window.
        """
        if self._stale:
            self._freshen(self._stale[0])
        else:
            self._bring(most=1)
        seen = any(shows_slice(self._viewer, self._case, index) for index in self._dirty)
        self._dirty.clear()
        if not seen:
            return
        for layer in (*self._layers.values(), self.lesion.layer):
            if layer is not None and layer.visible and layer in self._viewer.layers:
                layer.refresh(extent=False, thumbnail=False)  # the desk has thumbnails drawn once all is quiet

    def settle(self) -> None:
        """Take parts that are too small or doubtful out of the lesion, now that all slices are in; hand edits stay."""
        self.lesion.hold_run(False)
        if self.volumes is None:
            self.lesion.discard_untouched()
            return
        while self._stale:
            self._freshen(self._stale[0])
        self._bring()
        mask = self.volumes.mask(self.threshold)
        for index in sorted(self.done):
            self.lesion.write(index, mask[index])
            self._dirty.add(index)
        self.lesion.end_run()
        self.refresh()

    def draw_thumbnails(self) -> None:
        """Bring the pictures in napari's list of layers up to date, which no other call does: they take long."""
        for layer in (*self._layers.values(), self.lesion.layer):
            if layer is not None and layer.visible and layer in self._viewer.layers:
                layer.refresh(data_displayed=False, highlight=False, extent=False)

    def set_threshold(self, threshold: float, *, is_moved: bool = True) -> None:
        """Make the lesion anew from the probability, as the reader wants it or not; slices that were edited stay."""
        if threshold != self.threshold:
            mask = None if self.volumes is None else self.volumes.mask(threshold)  # which takes memory: first
            self.threshold = threshold
            self.lesion.set_threshold(mask, threshold, self.done)
        self.is_moved = is_moved

    def release(self, slices: Iterable[int]) -> None:
        """Give slices that were edited by hand back to the model, which has said something of them."""
        if self.volumes is not None:
            self.lesion.release(self.done.intersection(slices), self.volumes.mask(self.threshold))

    def layer_of(self, role: Role) -> Layer | None:
        """Return the layer that shows something, None where there is none."""
        layer = self.lesion.layer if role is Role.LESION else self._layers.get(role)
        return layer if layer is not None and layer in self._viewer.layers else None

    def show_sample(self, number: int) -> None:
        """Show another of the sampled masks, counted from 0."""
        self.sample = number
        if self.volumes is not None and (layer := self._layers.get(Role.SAMPLE)) and number < self.samples:
            show_sample_in(layer, self.volumes, number)

    def _renew(self, recipe: Recipe, result: SliceResult) -> None:
        """Start empty volumes for another recipe, in the layers that are there."""
        # The volumes first: where memory does not suffice, what is there still belongs to its recipe.
        volumes = Volumes.for_results_like(result, self._case, cut=recipe.cut)
        # Strokes before the first run are of it: undo has them while it is on. No number is used twice.
        number = self._latest + (self.volumes is not None)
        threshold = self.threshold if self.is_moved else recipe.cut.threshold
        self.lesion.turn_to(number, volumes.mask(threshold), (), threshold)
        self.threshold = threshold
        if (shown := self._shown()) is not None:
            self.kept.keep(self._run, shown)
        self.lesion.forget_all_but(self.kept.numbers)
        self.volumes, self.recipe = volumes, recipe
        self.sample = min(self.sample, self.samples - 1)
        self._limits = {}
        self._run = self._latest = number
        self.lesion.redraw()
        self._exchange()

    def _shown(self) -> KeptRun | None:
        """What is on screen, for undo."""
        return KeptRun.of(self.recipe, self.volumes, self.sample, self._limits)

    def _show_run(self, number: int, made: Mapping[Role, Layer] = NONE) -> None:
        """Let results be of an earlier run again, whose mask is there already; some layers may be made, too."""
        run = self.kept.exchange(number, self._run, self._shown())
        if run is None:
            return
        self._run = number
        self.recipe, self.volumes, self.sample, self._limits = run.recipe, run.volumes, run.sample, run.limits
        self._exchange()
        while self._stale:
            self._freshen(self._stale[0])
        self._coming = self._missing(run.volumes)
        self._bring(made=made)
        for role, limits in self._limits.items():
            if self.layer_of(role) is not None:
                self._layers[role].contrast_limits = limits

    def _exchange(self) -> None:
        """Let the layers that are there show other volumes."""
        arrays = {} if self.volumes is None else shown_arrays(self.volumes, self.sample)
        self._stale = [role for role in self._layers if role in arrays]
        for role, layer in list(self._layers.items()):
            # Layers that nobody sees can wait: all of them at once would hold up the window.
            if role in arrays and layer.visible:
                self._freshen(role)
            elif role not in arrays:
                del self._layers[role]
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)

    def _freshen(self, role: Role) -> None:
        """Let a layer show the volumes of this run, instead of those of the one before."""
        if role not in self._stale:
            return
        assert self.volumes is not None
        layer = self._layers[role]
        if role is Role.AGREEMENT:
            layer.colormap = agreement_colors(self.samples)
        if role is Role.SAMPLE:
            show_sample_in(layer, self.volumes, self.sample)
        else:
            layer.data = shown_arrays(self.volumes, self.sample)[role]
        self._stale.remove(role)

    def _ensure_lesion(self) -> None:
        if not self.lesion.is_shown:
            layers = self._viewer.layers
            with drawn_apart(self._viewer), selection_kept(layers):
                self.lesion.ensure(self.threshold)
            # napari selects what was added last: a hidden mask of the expert, which nobody has chosen.
            if all(is_expert(layer) and not layer.visible for layer in layers.selection):
                layers.selection.active = self.lesion.layer  # which is there to be edited
            self.bring_back()  # slices that are done are not run again: a new layer holds them from the start

    def _ensure_layers(self, map_limits: Mapping[Role, float] = NONE) -> None:
        """Make the layers that are not there, all at once."""
        assert self.volumes is not None
        self._ensure_lesion()
        self._coming = self._missing(self.volumes)
        self._bring(map_limits)

    def _missing(self, volumes: Volumes) -> list[Role]:
        return [role for role in shown_arrays(volumes, 0) if self.layer_of(role) is None]

    def _bring(
        self, map_limits: Mapping[Role, float] = NONE, *, made: Mapping[Role, Layer] = NONE, most: int | None = None
    ) -> None:
        """Add layers that were announced, and make them first; none any more of a case that was closed meanwhile."""
        if self._coming and not any(is_of(layer, self._case) for layer in self._viewer.layers):
            self._coming = []
        if not self._coming:
            return
        assert self.volumes is not None
        with drawn_apart(self._viewer), selection_kept(self._viewer.layers):
            for role in self._coming[:most]:
                layer = made.get(role) or result_layer(role, self.volumes, self.sample, self._case)
                self._add_layer(role, layer, map_limits)
        del self._coming[:most]

    def _add_layer(self, role: Role, layer: Layer, map_limits: Mapping[Role, float]) -> None:
        assert self.volumes is not None
        self._layers[role] = layer
        if role not in (Role.SAMPLE, Role.AGREEMENT):
            self._limits[role] = first_limits(role)
        layer.events.visible.connect(lambda: self._freshen(role))
        layers = self._viewer.layers
        # The contours of the agreement lie on top: the lesion's own outline would cover them.
        on_top = role is Role.AGREEMENT or not self.lesion.is_shown
        layers.insert(len(layers) if on_top else layers.index(self.lesion.layer), layer)
        if role in map_limits:
            self._limits[role] = (0.0, map_limits[role])
            layer.contrast_limits = self._limits[role]
        elif role in _MAPS:
            for index in sorted(self.volumes.done):
                self._widen_limits(role, layer.data[index])

    def _widen_limits(self, role: Role, values: NDArray[np.float32] | None) -> None:
        layer = self._layers.get(role)
        if values is not None and layer is not None and values.any():
            self._limits[role] = widen_limits(layer, self._limits.get(role, NO_LIMITS), values)
