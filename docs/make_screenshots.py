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

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication, QDockWidget
from scipy import ndimage

from napari_ddmd.agreement import ONLY_SECOND
from napari_ddmd.case import load_case
from napari_ddmd.lesions import bounding_box
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
PATIENCE_MS = 60_000
# Of the canvas, where the picture is about the lesion alone.
LESION_FILLS = 0.7
BRUSH = 5
CONTROLS = 360
"""Height of the layer controls in pixels."""
# Of the canvas's width and height: where the mouse is on the lesion, in the axial plane.
ON_LESION = (0.64, 0.62)

Voxel = tuple[int, int, int]


def wait(milliseconds: int) -> None:
    """Let the window live for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec_()


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Let the window live until something is so: a picture of a state in between would mislead."""
    for _ in range(PATIENCE_MS // 100):
        if done():
            return
        wait(100)
    raise SystemExit(f"waited for {what} in vain")


def give_room_to_layers(viewer: Any) -> None:
    """Divide the left side as napari mostly does by itself: what the controls need not is the list's."""
    wait(500)
    window = viewer.window._qt_window
    docks = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
    controls, layers = docks["layer controls"], docks["layer list"]
    window.resizeDocks([controls, layers], [CONTROLS, window.height() - CONTROLS], Qt.Orientation.Vertical)


def wait_for_cost(panel: Any, *, of_slices: bool) -> None:
    """Wait until the line says what a run takes; how long, where there are slices left to run."""
    line = panel.sampling_box.cost

    def is_settled() -> bool:
        text = line.text()
        return bool(text) and "measuring" not in text and (" slices" in text) == of_slices

    wait_until(is_settled, "the cost of a run")


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


def sure(panel: Any) -> Voxel:
    """The samples' agreement as contours, in the coronal plane, where the samples differ most."""
    panel.arrange(Arrangement.SINGLE)
    panel.show_plane(Plane.CORONAL)
    undecided = differing(panel.results)
    row = int(undecided.sum(axis=(0, 2)).argmax())
    panel.desk.go_to_voxel((panel.desk.current_slice, row, 0))
    zoom_to_lesion(panel, row)
    ticks = panel.look_tab.overlay_box.ticks
    ticks[Role.LESION].setChecked(False)
    ticks[Role.AGREEMENT].setChecked(True)
    # Amid the most voxels on which the samples differ.
    many = ndimage.uniform_filter(undecided[:, row].astype(float), 5) * undecided[:, row]
    slice_, column = np.unravel_index(many.argmax(), many.shape)
    return int(slice_), row, int(column)


def watch(panel: Any) -> None:
    """A step of the denoising."""
    panel.desk.go_to(largest_slice(panel.desk.case))
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


def compare(panel: Any) -> Voxel:
    """A stroke of the brush over the largest part that the mask misses, and the mask against the expert's."""
    box, layer = panel.lesion_tab.compare_box, panel.lesion_box.layer
    box.tick.setChecked(True)
    wait_until(lambda: box.overlay is not None, "the comparison")
    parts = [(largest_part(missed), index) for index, missed in enumerate(box.overlay.data == ONLY_SECOND)]
    missed, index = max(((part, index) for part, index in parts if layer.data[index].any()), key=lambda it: it[0].sum())
    panel.desk.go_to(index)
    dice = box.values[1].text()
    depth = ndimage.distance_transform_edt(missed)
    layer.brush_size = BRUSH
    with layer.block_history():
        for row, column in np.argwhere(depth > depth.max() / 2):
            layer.paint((index, row, column), 1)
    wait_until(lambda: box.values[1].text() != dice, "the figures of the stroke")
    return (index, *(int(place) for place in np.unravel_index(depth.argmax(), depth.shape)))


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


def differing(results: Any) -> NDArray[np.bool_]:
    """Where some of the samples find lesion and others do not, ``(S, H, W)``."""
    agreement: NDArray[Any] = results.volumes.agreement
    differ: NDArray[np.bool_] = (agreement > 0) & (agreement < results.samples)
    return differ


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask ``(H, W)``; nothing of an empty one."""
    parts, _count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    part: NDArray[np.bool_] = mask & (parts == sizes.argmax())
    return part


def zoom_to_lesion(panel: Any, row: int) -> None:
    """Let the lesion fill the canvas, in the coronal plane of a row."""
    viewer, case = panel.desk.viewer, panel.desk.case
    box = bounding_box(panel.results.volumes.agreement[:, row : row + 1] > 0)[::2]
    ends = [
        (start + (edge.start - 0.5) * size, start + (edge.stop - 0.5) * size)
        for start, size, edge in zip(case.grid.translate[::2], case.spacing[::2], box, strict=True)
    ]
    room = viewer.canvas.viewbox_size(viewer.layers)
    camera = viewer.scene.camera
    camera.center = (0.0, *((low + high) / 2 for low, high in ends))
    camera.zoom = LESION_FILLS * min(length / (high - low) for length, (low, high) in zip(room, ends, strict=True))


def point_at(viewer: Any, x: float, y: float) -> None:
    """Put the mouse on the canvas, for the status bar to tell the values there; both from 0 to 1."""
    canvas = viewer.window._qt_viewer.canvas.native
    # Where the mouse is there already, napari would go on with what it told of the layers before.
    for place in ((0.01, 0.01), (x, y)):
        QCursor.setPos(canvas.mapToGlobal(QPoint(round(place[0] * canvas.width()), round(place[1] * canvas.height()))))
        wait(400)


def point_at_voxel(panel: Any, voxel: Voxel) -> None:
    """Put the mouse on a voxel of what is shown."""
    viewer, case = panel.desk.viewer, panel.desk.case
    world = np.array(case.grid.translate) + np.array(voxel) * case.spacing
    down, right = (world[list(viewer.dims.displayed)] - viewer.scene.camera.center[1:]) * viewer.scene.camera.zoom
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    if panel.desk.planes.plane is not Plane.AXIAL:
        down = -down
    point_at(viewer, 0.5 + right / width, 0.5 + down / height)


STATES: dict[str, Callable[[Any], Voxel | None]] = {
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
    give_room_to_layers(viewer)
    go_to_slice(viewer, case, largest_slice(case))
    options.out.mkdir(parents=True, exist_ok=True)

    def photograph(name: str) -> None:
        wait(2500)
        picture = options.out / f"{name}.png"
        viewer.screenshot(picture, canvas_only=False, flash=False)
        print(picture)

    wait_for_cost(panel, of_slices=True)
    point_at(viewer, *ON_LESION)
    photograph("before")
    run(panel)
    wait_for_cost(panel, of_slices=False)
    viewer.layers.selection.active = panel.lesion_box.layer
    for name, arrange in STATES.items():
        voxel = arrange(panel)
        if voxel is None:
            point_at(viewer, *ON_LESION)
        else:
            point_at_voxel(panel, voxel)
        photograph(name)
    picture = options.out / "save-dialog.png"
    photograph_save_dialog(panel, picture)
    print(picture)
    viewer.close()


if __name__ == "__main__":
    main()
