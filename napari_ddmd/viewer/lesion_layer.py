"""The editable lesion layer, which never loses what the user painted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from psygnal import Signal

from napari_ddmd.lesions import lesion_volume_ml
from napari_ddmd.viewer.acceptance import Segmented, tell_segmented
from napari_ddmd.viewer.edit_history import EditHistory, Step
from napari_ddmd.viewer.kept_array import put_back
from napari_ddmd.viewer.layer_tag import Role, grid_arguments
from napari_ddmd.viewer.mask_colors import LESION_COLOR, one_color
from napari_ddmd.viewer.painting_tools import make_tools_when_painted

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_ddmd.case import Case

CONTOUR = 2
_RUN, _BRUSH, _THRESHOLD = "run", "painting", "threshold"


class LesionLayer:
    """A labels layer beside a copy of what the model wrote into it.

    Where the two differ, the user has painted: by brush, fill or tool, all alike. Such slices are left alone by runs
    and by the threshold, until they are released. Every change can be taken back, in the order in which it came:
    strokes, tools, thresholds and runs; napari's own Ctrl+Z on the layer does the same. While a run is on
    (``is_in_run``), its slices stay, and strokes are taken back from under them.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer lives.
    case : Case
        The patient.

    Signals
    -------
    changed
        Voxels changed, or what can be taken back.
    stepped_to
        Undo or redo came to another threshold, and whether it was the reader who had moved it.
    stepped_to_run
        Undo or redo came to the mask of another run.
    stepped_over_run
        Undo or redo took slices of a run back, or brought them again.
    """

    changed = Signal()
    stepped_to = Signal(float, bool)
    stepped_to_run = Signal(int)
    stepped_over_run = Signal()

    def __init__(self, viewer: ViewerModel, case: Case) -> None:
        self._viewer, self._case = viewer, case
        self.layer: Labels | None = None
        self._data: NDArray[np.uint8] = np.zeros(case.grid.shape, np.uint8)
        self._written = np.zeros_like(self._data)
        # A number a slice, so that undo and redo bring it to what it was.
        self._segmented = Segmented(np.zeros((len(self._written), 1, 1), np.uint8))
        self._history: EditHistory | None = None
        self._threshold = 0.5
        self._is_painting = self.is_in_run = False

    @property
    def is_shown(self) -> bool:
        """Whether the layer exists and the user has not removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def data(self) -> NDArray[np.uint8]:
        """The mask ``(S, H, W)``; zero before there is a layer."""
        return self._data

    @property
    def volume_ml(self) -> float:
        """Volume of the mask in millilitres, at once: a count of voxels, without the lesions apart."""
        return lesion_volume_ml(self.data, self._case.spacing)

    @property
    def written(self) -> NDArray[np.uint8]:
        """What the model wrote ``(S, H, W)``; in slices that were edited, what it had written before."""
        return self._written

    @property
    def said_slices(self) -> set[int]:
        """Slices of which the model has said something that was not taken back; what it found may be nothing."""
        return set(np.flatnonzero(self._segmented.slices).tolist())

    @property
    def edited_slices(self) -> list[int]:
        """Slices on which the user has changed something, also while the layer is away."""
        return list(np.flatnonzero((self.data != self._written).any(axis=(1, 2))).tolist())

    @property
    def next_undo(self) -> str | None:
        """What `undo` would take back."""
        return None if self._history is None else self._history.next_undo

    @property
    def next_redo(self) -> str | None:
        """What `redo` would do again."""
        return None if self._history is None else self._history.next_redo

    def ensure(self, threshold: float) -> None:
        """Make the layer if there is none; one that the user removed comes back with all that was painted on it."""
        if self.layer is None:
            self._threshold = threshold
            self.layer = self._make()
        if not self.is_shown:
            self._viewer.layers.append(self.layer)
            self.changed.emit()

    def discard_untouched(self) -> None:
        """Remove a layer into which neither the model nor the user has written anything."""
        if self.is_shown and not self.data.any() and self.next_undo is None and self.next_redo is None:
            self._viewer.layers.remove(self.layer)

    def write(self, index: int, mask: NDArray[np.uint8]) -> bool:
        """Write one slice of a run, unless the user has painted on it; tell whether anything changed."""
        if self._history is None or not (changed := self._put(index, mask, said=True)):
            return False
        is_drawn_on = not np.array_equal(self.data[index], self._written[index])  # a stroke may be half drawn
        self._history.gather(_RUN, changed, drawn_on=changed if is_drawn_on else ())
        return True

    def hold_run(self, is_in_run: bool) -> None:
        """Keep undo and redo from the run that is on, or let them have it when it has ended."""
        self.is_in_run = is_in_run
        if self._history is not None:
            self._history.hold(_RUN if is_in_run else None)
            self.changed.emit()

    def end_run(self) -> None:
        """Make one step of what a run wrote."""
        if self._history is not None:
            self._history.close_gathering()
            self.changed.emit()

    def set_threshold(self, mask: NDArray[np.uint8] | None, threshold: float, slices: Collection[int]) -> None:
        """Write the mask of another threshold, but for the slices that the user has painted on.

        A slider that is dragged through many values makes one step.

        Parameters
        ----------
        mask : (S, H, W) ndarray or None
            The model's mask; None where there was none yet, and nothing was cut at another threshold.
        threshold : float
            At which it was cut.
        slices : collection of int
            Where it may hold anything.
        """
        self._threshold = threshold
        if self._history is not None and mask is None:
            self._history.retell_threshold(threshold)
        elif self._history is not None and mask is not None:
            changed = self._write_all(mask, slices)
            self._history.commit(_THRESHOLD, threshold, changed, joins=True)
            self.redraw()

    def turn_to(self, run: int, mask: NDArray[np.uint8], said: Collection[int], threshold: float) -> None:
        """Let the model's own mask be of another run, what the user painted stays; `redraw` then shows it.

        Where memory is short, all is as it was.

        Parameters
        ----------
        run : int
            Its number.
        mask : (S, H, W) ndarray
            What it found.
        said : collection of int
            Slices of which it has said something.
        threshold : float
            At which its mask is cut.
        """
        if self._history is not None:
            self._take_stroke()
            self._history.close_gathering()
            untouched = [index for index, data in enumerate(self.data) if np.array_equal(data, self._written[index])]
            try:
                changed = [index for one in range(len(mask)) for index in self._put(one, mask[one], said=one in said)]
                self._history.gather(_RUN, changed, drawn_on={*changed}.difference(untouched))
            except Exception:
                self._history.revert(untouched)
                raise
            self._history.begin_run(run, threshold)
        self._segmented.run, self._threshold = run, threshold

    def forget_all_but(self, runs: Collection[int]) -> None:
        """Let undo and redo lead to no other runs than the one on screen and these, by their numbers."""
        if self._history is not None:
            self._history.forget_all_but(runs)

    def fill(self, mask: NDArray[np.uint8], slices: Collection[int]) -> None:
        """Write all that the model has said so far into a layer that was just made, or has come back."""
        if self._history is not None:
            self._history.gather(_RUN, self._write_all(mask, slices))

    def _write_all(self, mask: NDArray[np.uint8], slices: Collection[int]) -> list[int]:
        """Write slices that the user has not painted on; return those of which anything changed."""
        self._take_stroke()
        return [index for one in slices for index in self._put(one, mask[one], said=True)]

    def _put(self, index: int, mask: NDArray[np.uint8], *, said: bool) -> list[int]:
        data, written = self.data[index], self._written[index]
        untouched = np.array_equal(data, written)
        changes = untouched and not np.array_equal(data, mask)
        if changes:
            data[:] = written[:] = mask
        changes |= bool(self._segmented.slices[index]) != said
        self._segmented.slices[index] = said
        return [index] if changes else []

    def release(self, slices: Iterable[int], mask: NDArray[np.uint8]) -> None:
        """Give slices that were edited back to the model, whose mask ``(S, H, W)`` they get."""
        chosen = sorted(set(slices) & set(self.edited_slices))
        if chosen and self._history is not None:
            self.data[chosen] = self._written[chosen] = mask[chosen]
            self._segmented.slices[chosen] = True
            self._history.commit("giving slices back", slices=chosen)
            self.redraw()

    @contextmanager
    def editing(self, name: str) -> Iterator[NDArray[np.uint8]]:
        """Change the mask by hand, as one step: what is yielded is to be written into."""
        self._take_stroke()
        if self._history is not None:
            self._history.close_gathering()
        yield self.data
        if self._history is not None:
            self._history.commit(name)
            self.redraw()

    def undo(self) -> None:
        """Take the latest step back."""
        self._take_stroke()
        if self._history is not None:
            self._step(self._history.undo(), 0)

    def redo(self) -> None:
        """Do again what was taken back."""
        self._take_stroke()
        if self._history is not None:
            self._step(self._history.redo(), 1)

    def restore(self, mask: NDArray[np.uint8], written: NDArray[np.uint8], threshold: float) -> None:
        """Begin from a mask and what the model had written of it, with nothing to take back."""
        self.ensure(threshold)
        self._threshold = threshold
        self.data[:] = mask
        self._written[:] = written
        self.begin_anew(())
        self.redraw()

    def begin_anew(self, said: Collection[int]) -> None:
        """Take the mask as it stands for the beginning, with nothing to take back.

        Parameters
        ----------
        said : collection of int
            Slices of which the model has said something.
        """
        self._segmented.slices[:] = False
        self._segmented.slices[sorted(said)] = True
        if self.layer is not None:
            self._history = self._new_history()

    def _new_history(self) -> EditHistory:
        return EditHistory(
            (self._data, self._written, self._segmented.slices), self._threshold, run=self._segmented.run
        )

    def _step(self, step: Step | None, end: int) -> None:
        if step is None:
            return
        run, before = step.run[end], self._segmented.run
        self._segmented.run = run
        try:
            if run != before:
                self.stepped_to_run.emit(run)
        finally:  # the mask is the other run's, whoever could not follow
            self.redraw()
            if step.threshold[end] != self._threshold:
                self._threshold = step.threshold[end]
                self.stepped_to.emit(self._threshold, step.name == _THRESHOLD)
            if step.name == _RUN:
                self.stepped_over_run.emit()

    def redraw(self) -> None:
        """Draw the mask anew, and tell whoever listens that it has changed."""
        if self.layer is None:
            return
        if self.is_shown:
            self.layer.refresh(extent=False, thumbnail=False)  # napari paints its whole list anew for a thumbnail
        if not self.layer.visible:
            # Who measures the mask listens to what napari emits when it draws.
            self.layer.events.set_data()
        self.changed.emit()

    def _make(self) -> Labels:
        place = grid_arguments(self._case, Role.LESION)
        layer = Labels(self._data, name=Role.LESION.value, colormap=one_color(LESION_COLOR), opacity=0.9, **place)
        tell_segmented(layer, self._segmented)
        layer.contour, layer.brush_size = CONTOUR, 5
        make_tools_when_painted(layer)
        self._history = self._new_history()
        # One history: napari's own knows nothing of runs, and would bring back what has been written over since.
        layer.undo, layer.redo = self.undo, self.redo
        layer.events.paint.connect(self._on_paint)
        layer.events.labels_update.connect(self._on_update)
        layer.events.data.connect(self._on_other_data)
        return layer

    def _on_other_data(self, _event: Any = None) -> None:
        """Take over what is in an array that somebody has put in the place of the layer's own."""
        place = grid_arguments(self._case, Role.LESION)
        if self.layer is not None and (found := put_back(self.layer, self._data, place)) is not None:
            with self.editing("replacing the data") as data:
                data[:] = found

    def _on_paint(self, _event: Any = None) -> None:
        """Make a step of a stroke: napari tells of it when the mouse is let go, or before a single change is made."""
        assert self._history is not None
        self._is_painting = not self._history.commit(_BRUSH)
        self.changed.emit()

    def _on_update(self, _event: Any = None) -> None:
        if self._is_painting:
            self._take_stroke()
            self.changed.emit()

    def _take_stroke(self) -> None:
        """Make a step of a change of which napari has told, before anything else changes."""
        if self._is_painting and self._history is not None:
            self._is_painting = not self._history.commit(_BRUSH)
