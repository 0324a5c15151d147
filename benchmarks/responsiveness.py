"""How long the window's main thread is blocked: a heartbeat in a real window, by phase.

Needs a display. Without a screen: ``xvfb-run -a -s "-screen 0 1600x1000x24" python -m benchmarks.responsiveness``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import psutil

from benchmarks.event_loop import WINDOW, open_ready, wait, wait_until
from benchmarks.lookout import Lookout
from benchmarks.shared import USER_ERRORS, Row, add_case, count, fault, finish, machine, model_line, open_case, parser
from benchmarks.window_states import STATES, States
from napari_ddmd.case import Case, CaseError
from napari_ddmd.device import pick_device

TARGET_MS = 100
_BEAT_MS = 5
_LOOK_S = 0.004
_ACT_MS, _LAYOUT_MS = 120, 2400
_REST_MS, _CALM_MS = 1500, 4000


@dataclass
class Heart:
    """A timer in the main thread: what comes between two beats beside its own interval has blocked the thread."""

    name: str = ""
    beats: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    last: float = 0.0
    busy: float = 0.0

    def begin(self, name: str) -> None:
        """Count what comes from now on under another name."""
        self.name, self.last, self.busy = name, time.perf_counter(), time.thread_time()
        self.beats.setdefault(name, [])

    def beat(self) -> None:
        """Note in ms how late this beat is and how long the thread itself has computed, and when it came."""
        now, busy = time.perf_counter(), time.thread_time()
        if self.name:
            late, computed = 1000 * (now - self.last) - _BEAT_MS, 1000 * (busy - self.busy)
            self.beats[self.name].append((max(0.0, late), computed, now))
        self.last, self.busy = now, busy


class Profiler(Lookout):
    """Looks from another thread at what the main thread does whenever its heartbeat is late.

    It slows the window down, and now and then Qt ends with it: a frame that is looked at lives until the look is over,
    and with it a painter of napari's that should have been gone before its picture.
    """

    def __init__(self, heart: Heart, late_ms: float) -> None:
        super().__init__(_LOOK_S)
        self._heart, self._late = heart, late_ms / 1000
        self._main = threading.main_thread().ident
        self._seen: dict[tuple[str, float], list[str]] = {}

    def look(self) -> None:
        """Remember where the main thread is, if its beat is overdue."""
        began, name = self._heart.last, self._heart.name
        if name and time.perf_counter() - began > _LOOK_S:
            stack = _stack(sys._current_frames().get(self._main or 0))
            self._seen.setdefault((name, began), []).append(stack)

    def lines(self) -> list[str]:
        """Where the main thread was in its late beats: looks there in all of them, by phase, the most first."""
        total: dict[str, Counter[str]] = {}
        for (name, _began), stacks in self._seen.items():
            if len(stacks) * _LOOK_S > self._late:
                total.setdefault(name, Counter()).update(stacks)
        lines = []
        for name, looks in total.items():
            lines.append(f"{name}: {sum(looks.values())} looks")
            lines += [f"{100 * number / sum(looks.values()):5.0f} %  {stack}" for stack, number in looks.most_common(9)]
        return lines


def _stack(frame: FrameType | None) -> str:
    """The calls within this package, and the innermost one of others."""
    calls = [call for call in traceback.extract_stack(frame) if "responsiveness" not in call.filename]
    own = [call for call in calls if "napari_ddmd" in call.filename]
    named = [call for call in calls if not own or call is own[-1] or calls.index(call) > calls.index(own[-1])]
    kept = [*own[:-1], *named[:2], *named[2:][-3:]]
    return " > ".join(f"{Path(call.filename).stem}.{call.name}:{call.lineno}" for call in kept)


def main() -> int:
    """Measure and report; the exit status."""
    options = parser(__doc__.split("\n", 1)[0] if __doc__ else "")
    add_case(options)
    options.add_argument("--samples", type=count, default=5)
    options.add_argument("--steps", type=count, default=5, help="more than the model's own, so that a phase lasts")
    options.add_argument("--size", type=count, nargs=2, default=WINDOW, metavar=("WIDTH", "HEIGHT"))
    options.add_argument("--phases", nargs="+", choices=(*ACTS, *STATES), default=[*ACTS, *STATES])
    options.add_argument("--profile", action="store_true", help="say where the main thread was when it was late")
    options.add_argument("--late", type=float, default=50.0, help="ms from which the profile counts")
    arguments = options.parse_args()
    try:
        return _measure(arguments, open_case(arguments.case))
    except USER_ERRORS as error:
        return fault(error)


def _measure(arguments: argparse.Namespace, case: Case) -> int:
    from qtpy.QtCore import Qt, QTimer

    viewer, panel = open_ready(case, tuple(arguments.size))
    panel.sampling_box.samples.setValue(arguments.samples)
    panel.sampling_box.steps.setValue(arguments.steps)
    panel.sampling_box.device.setCurrentText(arguments.device)
    heart = Heart()
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(heart.beat)
    timer.start(_BEAT_MS)
    profiler = Profiler(heart, arguments.late)
    with profiler if arguments.profile else nullcontext():
        for number, name in enumerate(arguments.phases):
            print(f"{name} ...", file=sys.stderr, flush=True)
            if name in ACTS:
                _run_phase(name, number, viewer, panel, case, heart)
            else:
                _go_through(STATES[name](panel), panel, heart)
    timer.stop()
    bundle = panel.model_box.bundle
    viewer.close()
    rows = [_row(name, beats) for name, beats in heart.beats.items()]
    heading = {
        "machine": machine(pick_device(arguments.device)),
        "model": {} if bundle is None else model_line(bundle),
        "window": {"width": arguments.size[0], "height": arguments.size[1]},
        "run": {"samples": arguments.samples, "steps": arguments.steps},
        "load": {"of the last minute": round(psutil.getloadavg()[0], 1)},
    }
    finish(rows, heading, arguments.json)
    if arguments.profile:
        print("\nWhere the main thread was when it was late:")
        print("\n".join(profiler.lines()))
    return 0


def _run_phase(name: str, number: int, viewer: Any, panel: Any, case: Case, heart: Heart) -> None:
    """One whole run under what the user does meanwhile, and what comes after it."""
    from qtpy.QtCore import QTimer

    panel.sampling_box.seed.setValue(number)
    act = ACTS[name](viewer, panel, case)
    hand = QTimer()
    hand.timeout.connect(lambda: next(act))
    if number:  # there are results to act on
        heart.begin(f"{name}: no run")
        hand.start(_ACT_MS)
        wait(_CALM_MS)
        hand.stop()
    arrived: list[Any] = []
    ended: list[Any] = []
    panel.controller.arrived.connect(arrived.append)
    panel.controller.ended.connect(ended.append)
    heart.begin(f"{name}: start")
    panel.run()
    wait_until(lambda: bool(arrived or ended))
    wait(500)
    heart.begin(f"{name}: under way")
    hand.start(_ACT_MS)
    wait_until(lambda: bool(ended))
    heart.begin(f"{name}: end")
    hand.stop()
    wait(_REST_MS)
    heart.name = ""
    panel.controller.arrived.disconnect(arrived.append)
    panel.controller.ended.disconnect(ended.append)
    if ended[0].state != "finished":
        raise CaseError(f"{case.name}: the run {ended[0].state}: {ended[0].reason}")


def _go_through(states: States, panel: Any, heart: Heart) -> None:
    """Bring the window from state to state, with results in it; the time between two of them does not count."""
    if panel.desk.results is None:
        panel.run()
        wait_until(lambda: not panel.controller.is_running)
    for name, act, is_over in states:
        wait(_REST_MS)
        heart.begin(name)
        act()
        wait_until(is_over)
        wait(_REST_MS)
        wait_until(partial(bool, heart.beats[name]))
        heart.name = ""


def _nothing(_viewer: Any, _panel: Any, _case: Case) -> Iterator[None]:
    return itertools.repeat(None)


def _scroll(viewer: Any, _panel: Any, case: Case) -> Iterator[None]:
    from napari_ddmd.viewer.navigation import go_to_slice

    found = list(case.brain_slices)
    for index in itertools.cycle([*found, *found[::-1]]):
        go_to_slice(viewer, case, index)
        yield


def _threshold(_viewer: Any, panel: Any, _case: Case) -> Iterator[None]:
    for percent in itertools.cycle([*range(10, 90, 3), *range(90, 10, -3)]):
        panel.result_box.threshold.setValue(percent / 100)
        yield


def _paint(viewer: Any, panel: Any, case: Case) -> Iterator[None]:
    from napari_ddmd.viewer.launch import largest_slice
    from napari_ddmd.viewer.navigation import go_to_slice

    index = largest_slice(case)
    go_to_slice(viewer, case, index)
    rows, columns = np.nonzero(case.brain[index])
    places = list(zip(rows[::37].tolist(), columns[::37].tolist(), strict=True))
    for number, (row, column) in enumerate(itertools.cycle(places)):
        panel.desk.mask.paint((index, row, column), 1 - number // len(places) % 2)
        yield


def _arrange(_viewer: Any, panel: Any, _case: Case) -> Iterator[None]:
    from napari_ddmd.viewer.four_panels import Arrangement

    for arrangement in itertools.cycle((Arrangement.MODALITIES, Arrangement.EXPLAIN, Arrangement.SINGLE)):
        panel.arrange(arrangement)
        for _ in range(_LAYOUT_MS // _ACT_MS):
            yield


ACTS: dict[str, Callable[[Any, Any, Case], Iterator[None]]] = {
    "look on": _nothing,
    "scroll": _scroll,
    "threshold": _threshold,
    "paint": _paint,
    "arrange": _arrange,
}
"""What the user does while a run is on."""


def _row(name: str, beats: list[tuple[float, float, float]]) -> Row:
    late, computed, when = np.array(beats).T
    return {
        "phase": name,
        "s": round(float(when[-1] - when[0]), 1),
        "p50 ms": round(float(np.percentile(late, 50)), 1),
        "p99 ms": round(float(np.percentile(late, 99)), 1),
        "max ms": round(float(late.max()), 1),
        f"over {TARGET_MS} ms": int((late > TARGET_MS).sum()),
        "own p99 ms": round(float(np.percentile(computed, 99)), 1),
        "own max ms": round(float(computed.max()), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
