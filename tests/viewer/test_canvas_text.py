from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ddmd.viewer.canvas_text import CanvasText
from napari_ddmd.viewer.planes import Plane, Planes
from napari_ddmd.viewer.viewer_links import ViewerLinks


@pytest.fixture
def links() -> ViewerLinks:
    return ViewerLinks()


@pytest.fixture
def text(viewer: ViewerModel, links: ViewerLinks) -> CanvasText:
    return CanvasText(viewer, links)


def shown(text: CanvasText) -> str:
    """Letters at the left, right, top and bottom; a dash where there is none."""
    return "".join(overlay.text if overlay.visible else "-" for overlay in text.sides.values())


def test_the_sides_follow_the_plane(viewer: ViewerModel, text: CanvasText) -> None:
    assert shown(text) == "RLAP"
    planes = Planes(viewer, ViewerLinks())
    planes.show(Plane.CORONAL)
    assert shown(text) == "RLSI"
    planes.show(Plane.SAGITTAL)
    assert shown(text) == "APSI"


def test_the_sides_are_true_whoever_turns_the_image(viewer: ViewerModel, text: CanvasText) -> None:
    viewer.scene.camera.orientation2d = ("up", "left")
    assert shown(text) == "LRPA"
    viewer.dims.transpose()
    assert shown(text) == "PALR"
    viewer.dims.ndisplay = 3
    assert shown(text) == "----"


def test_in_a_grid_the_name_has_the_top_to_itself(viewer: ViewerModel, text: CanvasText) -> None:
    viewer.canvas.grid.enabled = True
    assert shown(text) == "RL-P"
    # Once for all images: in each cell they would take longer to draw than the images.
    assert not any(overlay.gridded for overlay in text.sides.values())
    assert [text.sides[side].position for side in ("left", "bottom", "right")] == [
        "bottom_left",
        "bottom_center",
        "bottom_right",
    ]
    viewer.canvas.grid.enabled = False
    assert shown(text) == "RLAP"
    assert text.sides["left"].position == "middle_left"


def test_without_a_case_nothing_is_labelled(viewer: ViewerModel, text: CanvasText) -> None:
    viewer.layers.clear()
    assert shown(text) == "----"


def test_a_note_comes_and_goes(text: CanvasText) -> None:
    assert not text.note.visible
    text.say("W 850  L 425")
    assert (text.note.text, text.note.visible) == ("W 850  L 425", True)
    text.say("")
    assert not text.note.visible


def test_the_canvas_is_wiped_in_the_end(viewer: ViewerModel, text: CanvasText, links: ViewerLinks) -> None:
    assert [name for name in viewer.canvas.overlays if name.startswith("ddmd")]
    links.disconnect()
    text.release()
    assert not [name for name in viewer.canvas.overlays if name.startswith("ddmd")]
    viewer.dims.transpose()


def test_images_lie_on_black_while_there_are_any(viewer: ViewerModel, text: CanvasText) -> None:
    assert viewer.canvas.background_color_override is not None
    np.testing.assert_array_equal(viewer.canvas.background_color, [0, 0, 0, 1])
    viewer.layers.clear()
    assert viewer.canvas.background_color_override is None


def test_a_ground_that_the_user_chose_stays(viewer: ViewerModel, links: ViewerLinks) -> None:
    viewer.canvas.background_color_override = "navy"
    chosen = viewer.canvas.background_color
    text = CanvasText(viewer, links)
    np.testing.assert_array_equal(viewer.canvas.background_color, chosen)
    links.disconnect()
    text.release()
    np.testing.assert_array_equal(viewer.canvas.background_color, chosen)


def test_letters_wait_for_the_end_of_a_batch(viewer: ViewerModel, text: CanvasText) -> None:
    """Before it, napari has not laid the canvas out."""
    with viewer.layers.batched_update():
        viewer.canvas.grid.enabled = True
        assert shown(text) == "RLAP"
    assert shown(text) == "RL-P"
