"""How soon mask, volume and table of lesions follow the threshold, on the main thread of a real window.

Needs a display. Without a screen: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.threshold``.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np

from benchmarks.event_loop import WINDOW, open_ready, wait, wait_until
from benchmarks.shared import USER_ERRORS, Row, add_case, count, fault, finish, machine, model_line, open_case, parser
from napari_ddmd.case import Case
from napari_ddmd.device import pick_device
from napari_ddmd.lesions import lesion_volume_ml
from napari_ddmd.wording import millilitres

_CALM_MS = 600
_DRAGGED_EVERY_MS = 20
_DRAGGED = 15
"""Values that a drag goes through before the one that is timed."""
TARGET_MS = 50


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_case(options)
    options.add_argument("--times", type=count, default=20, help="thresholds that are set one by one, and drags")
    arguments = options.parse_args()
    try:
        return _measure(arguments, open_case(arguments.case))
    except USER_ERRORS as error:
        return fault(error)


def _measure(arguments: argparse.Namespace, case: Case) -> int:
    viewer, panel = open_ready(case, WINDOW)
    panel.sampling_box.device.setCurrentText(arguments.device)
    panel.run()
    wait_until(lambda: not panel.controller.is_running)
    wait_until(lambda: panel.lesion_box.measurement is not None)
    wait(_CALM_MS)  # the mask of the end of the run is measured, and the rest after it over
    watch = _Watch(viewer, panel, case)
    thresholds = np.random.default_rng(arguments.seed).permutation(np.linspace(0.1, 0.9, arguments.times))
    rows: list[Row] = []
    for what, dragged in (("set", 0), ("dragged", _DRAGGED)):
        print(f"{what} {len(thresholds)} times ...", file=sys.stderr, flush=True)
        seconds: dict[str, list[float]] = {}
        for threshold in thresholds:
            for step in range(dragged, 0, -1):
                panel.result_box.threshold.setValue(threshold + 0.01 * step * (1 if threshold < 0.5 else -1))
                wait(_DRAGGED_EVERY_MS)
            for name, took in watch.follow(float(threshold)).items():
                seconds.setdefault(name, []).append(took)
        rows += [_row(what, name, took) for name, took in seconds.items()]
    bundle = panel.model_box.bundle
    viewer.close()
    heading = {
        "machine": machine(pick_device(arguments.device)),
        "model": {} if bundle is None else model_line(bundle),
        "case": {"name": case.name, "lesion ml": round(watch.largest_ml, 1)},
    }
    finish(rows, heading, arguments.json)
    return 0


class _Watch:
    """Notes when what the reader sees has followed the threshold."""

    def __init__(self, viewer: Any, panel: Any, case: Case) -> None:
        self.panel, self.box, self.case = panel, panel.lesion_box, case
        self.largest_ml = 0.0
        self._seen: dict[str, float] = {}
        self.box.mask_edited.connect(lambda: self._note("mask"))
        panel.desk.threshold_changed.connect(self._on_told)
        self.box.measured.connect(self._on_measured)
        canvas = viewer.window._qt_viewer.canvas._scene_canvas
        canvas.events.draw.connect(lambda _: self._note("canvas drawn", after="mask"), position="last")

    def follow(self, threshold: float) -> dict[str, float]:
        """Milliseconds from a threshold until each has followed it."""
        before = self.panel.result_box.threshold.value()
        if abs(before - threshold) < 0.005:  # the slider has hundredths
            threshold += 0.01
        wait(0)  # what is still to come of the threshold before
        self._seen.clear()
        started = time.perf_counter()
        self.panel.result_box.threshold.setValue(threshold)
        wait_until(lambda: {"volume", "table", "canvas drawn"} <= self._seen.keys(), every_ms=5)
        wait(_CALM_MS)
        return {name: 1000 * (self._seen[name] - started) for name in ("mask", "volume", "table", "canvas drawn")}

    def _note(self, name: str, after: str = "") -> None:
        if not after or after in self._seen:
            self._seen.setdefault(name, time.perf_counter())

    def _on_told(self) -> None:
        mask = self.box.layer
        if mask is not None:
            volume = lesion_volume_ml(mask.data, self.case.spacing)
            told = f"{millilitres(volume)} mL" if volume else "No lesion"
            if told in self.panel.summary.text():
                self._note("volume", after="mask")

    def _on_measured(self) -> None:
        self._on_told()
        measurement, mask = self.box.measurement, self.box.layer
        if measurement is None or mask is None:
            return
        self.largest_ml = max(self.largest_ml, measurement.total_ml)
        if measurement.total_ml == lesion_volume_ml(mask.data, self.case.spacing):  # of this mask, not of one before
            self._note("table", after="mask")


def _row(what: str, name: str, took: list[float]) -> Row:
    return {
        "threshold": what,
        "followed by": name,
        "p50 ms": round(float(np.percentile(took, 50)), 1),
        "max ms": round(float(np.max(took)), 1),
        f"over {TARGET_MS} ms": int((np.array(took) > TARGET_MS).sum()),
        "of": len(took),
    }


if __name__ == "__main__":
    sys.exit(main())
