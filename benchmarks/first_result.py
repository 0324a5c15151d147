"""How long a reader waits for the first result after Run: until the slice is computed, and until it is drawn.

Needs a display. Without a screen: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.first_result``.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from benchmarks.event_loop import WINDOW, open_ready, wait, wait_until
from benchmarks.shared import USER_ERRORS, Row, add_case, count, fault, finish, machine, model_line, open_case, parser
from napari_ddmd.case import Case, CaseError
from napari_ddmd.device import pick_device

_CALM_MS = 4000


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_case(options)
    options.add_argument("--runs", type=count, default=4, help="one after another, each with a seed of its own")
    arguments = options.parse_args()
    try:
        return _measure(arguments, open_case(arguments.case))
    except USER_ERRORS as error:
        return fault(error)


def _measure(arguments: argparse.Namespace, case: Case) -> int:
    viewer, panel = open_ready(case, WINDOW)
    panel.sampling_box.device.setCurrentText(arguments.device)
    computed: list[float] = []
    drawn: list[float] = []
    ended: list[Any] = []
    panel.controller.arrived.connect(lambda _: computed.append(time.perf_counter()))
    panel.controller.ended.connect(ended.append)
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    canvas.events.draw.connect(lambda _: drawn.append(time.perf_counter()), position="last")
    rows: list[Row] = []
    for number in range(arguments.runs):
        panel.sampling_box.seed.setValue(arguments.seed + number)
        wait(_CALM_MS)
        for found in (computed, drawn, ended):
            found.clear()
        print(f"run {number + 1} of {arguments.runs} ...", file=sys.stderr, flush=True)
        started = time.perf_counter()
        panel.run()
        wait_until(lambda: bool(ended))
        if ended[0].state != "finished":
            raise CaseError(f"{case.name}: the run {ended[0].state}: {ended[0].reason}")
        shown = next(when for when in drawn if when > computed[0])
        rows.append(
            {
                "run": number + 1,
                "computed after s": computed[0] - started,
                "on screen after s": shown - started,
                "all s": time.perf_counter() - started,
            }
        )
    bundle = panel.model_box.bundle
    viewer.close()
    heading = {
        "machine": machine(pick_device(arguments.device)),
        "model": {} if bundle is None else model_line(bundle),
    }
    finish(rows, heading, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
