"""Make the pictures of the panel: ``python docs/make_screenshots.py``, under a display.

The sample case is segmented by the bundled model in a real window, and the window is photographed in each of its
states. Without a screen: ``xvfb-run -s "-screen 0 1600x1000x24" python docs/make_screenshots.py``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEventLoop, QPoint, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

from napari_ddmd.case import load_case
from napari_ddmd.viewer.four_panels import Arrangement
from napari_ddmd.viewer.launch import largest_slice, open_window
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.navigation import go_to_slice
from napari_ddmd.viewer.planes import Plane
from napari_ddmd.viewer.sample_data import sample_case
from napari_ddmd.viewer.widgets.save_dialog import SaveChoice

IMAGES = Path(__file__).parent / "images"
WINDOW = (1500, 940)
FIND, LOOK, LESIONS, SAVE = range(4)


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec_()


def run(panel: Any) -> None:
    """Segment all slices, and wait for the end."""
    ended = QEventLoop()
    outcomes: list[Any] = []
    panel.controller.ended.connect(outcomes.append)
    panel.controller.ended.connect(ended.quit)
    panel.run_when_ready()
    ended.exec_()
    if outcomes[0].state != "finished":
        raise SystemExit(f"the run {outcomes[0].state}: {outcomes[0].reason}")


def single(panel: Any) -> None:
    """The panel after a run, tab Find."""
    panel.tabs.setCurrentIndex(FIND)


def modalities(panel: Any) -> None:
    """The four modalities, each with the outline."""
    panel.tabs.setCurrentIndex(FIND)
    panel.arrange(Arrangement.MODALITIES)


def explain(panel: Any) -> None:
    """What explains the mask, beside the scores of every slice."""
    panel.tabs.setCurrentIndex(LOOK)
    panel.arrange(Arrangement.EXPLAIN)


def sure(panel: Any) -> None:
    """The samples' agreement as contours, in the coronal plane."""
    panel.arrange(Arrangement.SINGLE)
    panel.show_plane(Plane.CORONAL)
    panel.lesion_box.step(1)
    ticks = panel.look_tab.overlay_box.ticks
    ticks[Role.LESION].setChecked(False)
    ticks[Role.AGREEMENT].setChecked(True)


def watch(panel: Any) -> None:
    """A step of the denoising."""
    panel.show_plane(Plane.AXIAL)
    ticks = panel.look_tab.overlay_box.ticks
    ticks[Role.AGREEMENT].setChecked(False)
    box = panel.look_tab.denoising_box
    box.watch()
    while box.is_computing:
        wait(100)
    box.play.setChecked(False)
    box.noisy.setChecked(True)
    box.slider.setValue(5)


def lesions(panel: Any) -> None:
    """The table of lesions and the tools."""
    panel.look_tab.denoising_box.close_sequence()
    panel.look_tab.overlay_box.ticks[Role.LESION].setChecked(True)
    panel.tabs.setCurrentIndex(LESIONS)


def compare(panel: Any) -> None:
    """A slice corrected by hand, and the mask against the expert's."""
    panel.lesion_tab.correct_box.tools["smooth"].click()
    panel.lesion_tab.compare_box.tick.setChecked(True)


def save(panel: Any) -> None:
    """What leaves the window."""
    panel.lesion_tab.compare_box.tick.setChecked(False)
    panel.tabs.setCurrentIndex(SAVE)


def photograph_save_dialog(panel: Any, picture: Path) -> None:
    """What the button *Save…* asks; nothing is saved."""
    folder = Path("results")
    panel.save_button.choice = SaveChoice(folder=folder)

    def take() -> None:
        dialog = QApplication.activeModalWidget()
        dialog.grab().save(str(picture))
        dialog.reject()

    QTimer.singleShot(1500, take)
    panel.save_button.click()


def point_at_lesion(viewer: Any) -> None:
    """Put the mouse where the lesion is, for the status bar to tell its values."""
    canvas = viewer.window._qt_viewer.canvas.native
    QCursor.setPos(canvas.mapToGlobal(QPoint(int(0.64 * canvas.width()), int(0.62 * canvas.height()))))


STATES: dict[str, Callable[[Any], None]] = {
    "panel": single,
    "modalities": modalities,
    "explain": explain,
    "agreement": sure,
    "denoising": watch,
    "lesions": lesions,
    "compare": compare,
    "save": save,
}


def main() -> None:
    """Segment, and photograph state after state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, help="folder of a synthetic case (default: the sample case)")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--size", type=int, nargs=2, default=WINDOW, metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args()
    # Edits that somebody left of this case would be offered in the picture.
    own = tempfile.TemporaryDirectory()
    os.environ["XDG_DATA_HOME"] = own.name
    case = sample_case() if options.case is None else load_case(options.case)
    viewer, panel = open_window(case)
    viewer.theme = options.theme
    viewer.window.resize(*options.size)
    go_to_slice(viewer, case, largest_slice(case))
    run(panel)
    while "measuring" in panel.sampling_box.cost.text():
        wait(200)
    viewer.layers.selection.active = panel.lesion_box.layer
    options.out.mkdir(parents=True, exist_ok=True)
    for name, arrange in STATES.items():
        arrange(panel)
        point_at_lesion(viewer)
        wait(2500)
        picture = options.out / f"{name}.png"
        viewer.screenshot(picture, canvas_only=False, flash=False)
        print(picture)
    picture = options.out / "save-dialog.png"
    photograph_save_dialog(panel, picture)
    print(picture)
    viewer.close()


if __name__ == "__main__":
    main()
