"""Make the pictures of the panel: ``python docs/make_screenshots.py``, under a display.

The sample case is segmented by the bundled model in a real window, and the window is photographed. Without
a screen: ``xvfb-run -s "-screen 0 1600x1000x24" python docs/make_screenshots.py``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qtpy.QtCore import QEventLoop, QTimer

from napari_ddmd.case import load_case
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.launch import largest_slice, open_window
from napari_ddmd.viewer.navigation import go_to_slice
from napari_ddmd.viewer.sample_data import sample_case

IMAGES = Path(__file__).parent / "images"
WINDOW = (1500, 940)
PICTURES = {
    "panel.png": Arrangement.SINGLE,
    "modalities.png": Arrangement.MODALITIES,
    "explain.png": Arrangement.EXPLAIN,
}


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec_()


def main() -> None:
    """Segment, arrange, photograph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, help="folder of a synthetic case (default: the sample case)")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    options = parser.parse_args()
    case = sample_case() if options.case is None else load_case(options.case)
    viewer, panel = open_window(case)
    viewer.theme = options.theme
    viewer.window.resize(*WINDOW)
    go_to_slice(viewer, case, largest_slice(case))
    ended = QEventLoop()
    outcomes = []
    panel.controller.ended.connect(outcomes.append)
    panel.controller.ended.connect(ended.quit)
    panel.run_when_ready()
    ended.exec_()
    if outcomes[0].state != "finished":
        raise SystemExit(f"the run {outcomes[0].state}: {outcomes[0].reason}")
    viewer.layers.selection.active = panel.lesion_box.layer
    options.out.mkdir(parents=True, exist_ok=True)
    for name, arrangement in PICTURES.items():
        panel.arrange(arrangement)
        wait(3000)
        viewer.screenshot(options.out / name, canvas_only=False, flash=False)
        print(options.out / name)
    viewer.close()


if __name__ == "__main__":
    main()
