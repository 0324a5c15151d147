"""At which probability cases to come are cut: the model's own, unless the reader has moved the slider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_ddmd.cut import Cut

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.viewer.result_layers import ResultLayers


class WantedThreshold:
    """Whether the reader has moved the threshold, which its value alone does not tell.

    Parameters
    ----------
    all_results : mapping of Case to ResultLayers
        Of the open cases, as it changes: those that were only begun, without a run, go along with those to come.

    Attributes
    ----------
    moved : float or None
        Where to; None where each model is cut at its own.
    """

    def __init__(self, all_results: Mapping[Case, ResultLayers]) -> None:
        self.moved: float | None = None
        self._models_own = Cut().threshold
        self._all = all_results

    @property
    def value(self) -> float:
        """At which cases to come are cut."""
        return self._models_own if self.moved is None else self.moved

    def own_of(self, results: ResultLayers | None) -> float:
        """The own threshold of the model that has run, or else of the one that is chosen."""
        return self._models_own if results is None or results.recipe is None else results.recipe.cut.threshold

    def move(self, threshold: float | None) -> None:
        """Take over where the reader has moved the slider, or that it was moved back."""
        self._change(threshold, self._models_own)

    def follow_model(self, threshold: float) -> None:
        """Cut at another model's own threshold, unless the reader has moved it."""
        self._change(self.moved, threshold)

    def give(self, results: ResultLayers) -> None:
        """Let results that begin be cut so."""
        results.set_threshold(self.value, is_moved=self.moved is not None)

    def _change(self, moved: float | None, models_own: float) -> None:
        before, self.moved, self._models_own = self.value, moved, models_own
        for results in self._all.values():
            if results.recipe is None and results.threshold == before:
                self.give(results)
