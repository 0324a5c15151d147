"""Measures a mask again while it changes: beside the window, or before it is drawn where that is quick."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_ddmd.editing import Numbering
from napari_ddmd.viewer.evidence import Evidence
from napari_ddmd.viewer.measure import Measurement, fingerprint, measure
from napari_ddmd.viewer.measuring_pace import MeasuringPace
from napari_ddmd.viewer.numberings import number_by, numbering_of
from napari_ddmd.viewer.widgets.background import Background

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_ddmd.case import Case

_A_MOMENT_MS = 50


class Measuring(QObject):
    """Measures of one mask layer; the latest mask counts.

    Signals
    -------
    measured
        A `Measurement`, or None where there is no mask.
    unchanged
        The mask is the one that was measured last.
    failed
        The exception.
    """

    measured = Signal(object)
    unchanged = Signal()
    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._case: Case | None = None
        self._evidence = Evidence()
        self._seen: tuple[int, int] | None = None
        self._revision = 0
        self._pace = MeasuringPace()
        self.is_under_way = self._is_stale = self._wants_now = False
        self._worker = Background(self)
        self._worker.done.connect(self._on_measured)
        self._worker.failed.connect(self._on_failed)
        self.clock = QTimer(self)
        self.clock.setSingleShot(True)
        self.clock.timeout.connect(self._on_clock)

    def watch(self, layer: Labels | None, case: Case | None, evidence: Evidence) -> None:
        """Measure another mask from now on, or the same one of another case or with other evidence."""
        if layer is not self._layer or case is not self._case:
            self._forget()  # the same labels measure something else in another case
        self._layer, self._case, self._evidence = layer, case, evidence

    def look_again(self) -> None:
        """Measure the next time even if the mask stays."""
        self._revision += 1

    def begin_anew(self, numbering: Numbering | None = None) -> None:
        """Number lesions by size again, or go on with another numbering, and measure even if the mask stays."""
        self.look_again()
        if self._layer is not None:
            number_by(self._layer, numbering)

    def numbering(self) -> Numbering | None:
        """Return a copy of what gives lesions their numbers."""
        numbering = numbering_of(self._layer)
        return None if numbering is None else numbering.copy()

    def soon(self) -> None:
        """Measure at the next turn of the event loop, or after a rest; calls in quick succession count once."""
        if self.is_under_way and self._layer is not None:
            # A mask that changes faster than it is measured must not keep the readout from ever coming.
            self._is_stale = True
        elif not self.clock.isActive():
            self.clock.start(self._pace.rest_ms)

    def now(self) -> bool:
        """Measure before the window is drawn again, where that is quick; whether it is done, or will be in a moment."""
        is_quick = not self.is_under_way and self._is_quick()
        if is_quick and not self._pace.rest_ms:
            return self._measure(now=True)
        self._wants_now = True
        self.soon()
        return is_quick and self.clock.remainingTime() <= _A_MOMENT_MS

    def _is_quick(self) -> bool:
        """Whether the window can wait while the mask is measured."""
        if self._layer is None or not self._pace.is_quick(0):
            return False
        from napari_ddmd.lesions import bounding_box

        is_lesion = np.asarray(self._layer.data) != 0
        box = bounding_box(is_lesion) if is_lesion.any() else ()
        return self._pace.is_quick(math.prod(edge.stop - edge.start for edge in box) if box else 0)

    def _on_clock(self) -> None:
        self._measure(now=self._wants_now and self._is_quick())

    def _measure(self, *, now: bool) -> bool:
        """Measure, or begin to; tell whether there are figures of this mask."""
        self.clock.stop()
        self._wants_now = False
        layer = self._layer
        if layer is None or self._case is None:
            self._forget()
            self.measured.emit(None)
            return False
        mask = np.asarray(layer.data)
        seen = (fingerprint(mask), self._revision)
        if seen == self._seen:
            self.unchanged.emit()
            return True
        self._pace.begin()
        self._seen, self.is_under_way, self._is_stale = seen, True, False
        numbering = numbering_of(layer)
        if numbering is None or numbering.places.shape != mask.shape:
            numbering = Numbering(mask.shape)
            number_by(layer, numbering)
        if not now:
            # A copy: the user may go on painting while it is measured.
            self._worker.start(_measured, mask.copy(), self._case, self._evidence, numbering)
            return False
        try:
            answer = _measured(mask, self._case, self._evidence, numbering)
        except Exception as error:
            self._on_failed(error)
            return False
        finally:
            self.is_under_way = False
        self._on_measured(answer, at_once=True)
        return True

    def _forget(self) -> None:
        """Drop what is being measured."""
        self._worker.forget()
        self._pace.forget()
        self.is_under_way = self._is_stale = self._wants_now = False
        self._seen = None

    def _on_measured(self, answer: tuple[Measurement, float], *, at_once: bool = False) -> None:
        measurement, thread_s = answer
        voxels = 0 if measurement.labels is None else measurement.labels.size
        self._pace.end(voxels, thread_s=thread_s, at_once=at_once)
        self._go_on()
        self.measured.emit(measurement)

    def _on_failed(self, error: Exception) -> None:
        self._pace.end(None)
        self._seen = None  # the same mask may be measured the next time
        self._go_on()
        self.failed.emit(error)

    def _go_on(self) -> None:
        self.is_under_way = False
        if self._is_stale:
            self.soon()


def _measured(mask: NDArray[Any], case: Case, evidence: Evidence, numbering: Numbering) -> tuple[Measurement, float]:
    """The measurement, and the seconds of this thread that it took."""
    began = time.thread_time()
    measurement = _numbered(mask, case, evidence, numbering)
    return measurement, time.thread_time() - began


def _numbered(mask: NDArray[Any], case: Case, evidence: Evidence, numbering: Numbering) -> Measurement:
    found = measure(mask, case, evidence.probability, uncertainty=evidence.uncertainty, scores=evidence.scores)
    if found.labels is None:
        return found
    numbers = numbering.number(found.labels, found.corner)
    lesions = [replace(lesion, label=int(numbers[lesion.label])) for lesion in found.lesions]
    return replace(found, lesions=lesions, labels=numbers[found.labels], numbering=numbering)
