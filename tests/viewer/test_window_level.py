from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_ddmd.case import Case
from napari_ddmd.viewer.case_layers import contrast_limits
from napari_ddmd.viewer.four_panels import Arrangement, FourPanels
from napari_ddmd.viewer.viewer_links import ViewerLinks
from napari_ddmd.viewer.window_level import WindowLevel


@dataclass
class Mouse:
    """Stands in for napari's event."""

    type: str
    pos: tuple[float, float]
    button: int = 2
    modifiers: tuple[str, ...] = ()
    viewbox: tuple[int, int] = (0, 0)
    position: tuple[float, ...] = (0.0, 0.0, 0.0)
    handled: bool = False
    is_dragging: bool = True
    view_direction: None = None
    dims_displayed: list[int] = field(default_factory=lambda: [1, 2])

    # napari writes the event of the moment into the one that began the drag.
    @property
    def __wrapped__(self) -> Any:
        return self

    @__wrapped__.setter
    def __wrapped__(self, event: Any) -> None:
        self.type, self.pos = event.type, event.pos


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def panels(viewer: ViewerModel) -> FourPanels:
    return FourPanels(viewer, ViewerLinks())


@pytest.fixture
def window_level(viewer: ViewerModel, panels: FourPanels, said: list[str]) -> WindowLevel:
    viewer.layers.selection.active = None
    return WindowLevel(viewer, panels.image_in, said.append)


def drag(viewer: ViewerModel, right: float, down: float, **options: Any) -> bool:
    """Drag in two moves; tell whether the press was taken. The active layer is told after the viewer, as by napari."""

    def tell(callbacks: Any, event: Mouse) -> Mouse:
        callbacks(viewer, event)
        active = viewer.layers.selection.active
        if active is not None:
            callbacks(active, event)
        return event

    handled = tell(mouse_press_callbacks, Mouse("mouse_press", (100, 100), **options)).handled
    for share in (0.5, 1):
        tell(mouse_move_callbacks, Mouse("mouse_move", (100 + share * right, 100 + share * down), **options))
    tell(mouse_release_callbacks, Mouse("mouse_release", (100 + right, 100 + down), **options))
    return handled


def window_of(layer: Image) -> tuple[float, float]:
    low, high = layer.contrast_limits
    return high - low, (high + low) / 2


@pytest.mark.usefixtures("window_level")
def test_sideways_is_the_window_and_upwards_is_brighter(viewer: ViewerModel, said: list[str]) -> None:
    flair = viewer.layers["flair"]
    window, level = window_of(flair)
    assert drag(viewer, 50, 0)
    assert window_of(flair) == (pytest.approx(window + 50 / 400 * range_of(flair), rel=0.1), pytest.approx(level))
    wider, _ = window_of(flair)
    assert drag(viewer, 0, -40)
    assert window_of(flair)[0] == pytest.approx(wider)
    assert window_of(flair)[1] < level
    shown_window, shown_level = window_of(flair)
    assert said[-2:] == [f"FLAIR  W {shown_window:.0f}  L {shown_level:.0f}", ""]


def range_of(layer: Image) -> float:
    low, high = layer.contrast_limits_range
    return float(high - low)


@pytest.mark.usefixtures("window_level")
def test_the_window_never_closes(viewer: ViewerModel) -> None:
    drag(viewer, -100_000, 0)
    low, high = viewer.layers["flair"].contrast_limits
    assert high > low


def test_a_double_click_of_the_right_button_resets(viewer: ViewerModel, case: Case, window_level: WindowLevel) -> None:
    flair, zoom = viewer.layers["flair"], viewer.scene.camera.zoom
    full = tuple(flair.contrast_limits_range)
    drag(viewer, 300, 200)
    click = Mouse("mouse_double_click", (100, 100))
    mouse_double_click_callbacks(viewer, click)
    assert click.handled
    assert tuple(flair.contrast_limits) == pytest.approx(contrast_limits(case.images[3]))
    assert tuple(flair.contrast_limits_range) == full
    assert viewer.scene.camera.zoom == zoom
    # The left button is napari's.
    mouse_double_click_callbacks(viewer, Mouse("mouse_double_click", (100, 100), button=1))
    assert viewer.scene.camera.zoom == 2 * zoom


@pytest.mark.usefixtures("window_level")
def test_napari_keeps_its_right_button_everywhere_else(viewer: ViewerModel, case: Case) -> None:
    flair = viewer.layers["flair"]
    before = tuple(flair.contrast_limits)
    assert not drag(viewer, 50, 50, button=1)
    assert not drag(viewer, 50, 50, modifiers=("Shift",))
    labels = viewer.add_labels(np.zeros(case.grid.shape, np.uint8))
    labels.mode = "polygon"
    assert not drag(viewer, 50, 50)
    labels.mode = "pan_zoom"
    viewer.dims.ndisplay = 3
    assert not drag(viewer, 50, 50)
    viewer.dims.ndisplay = 2
    assert tuple(flair.contrast_limits) == before
    assert drag(viewer, 50, 50)
    assert tuple(flair.contrast_limits) != before
    flair.visible = False
    assert not drag(viewer, 50, 50)


@pytest.mark.usefixtures("window_level")
@pytest.mark.parametrize("mode", ["paint", "erase", "fill", "pick"])
def test_tools_rest_while_the_right_button_is_down(viewer: ViewerModel, case: Case, mode: str) -> None:
    """napari gives the press to the active layer, too, which would do what it does with the left button."""
    flair = viewer.layers["flair"]
    before = tuple(flair.contrast_limits)
    labels = viewer.add_labels(np.ones(case.grid.shape, np.uint8))
    labels.selected_label = 2
    labels.mode = mode
    modes: list[str] = []
    labels.events.mode.connect(lambda: modes.append(str(labels.mode)))
    assert drag(viewer, 50, 50, position=(4, 10, 10))
    assert tuple(flair.contrast_limits) != before
    assert modes == ["pan_zoom", mode]
    assert (labels.data == 1).all()
    assert labels.selected_label == 2
    assert not drag(viewer, 50, 50, position=(4, 10, 10), button=1), "the left button is the tool's"
    assert labels.selected_label != 2 or not (labels.data == 1).all()


@pytest.mark.usefixtures("window_level")
def test_a_trembling_click_leaves_the_window_alone(viewer: ViewerModel) -> None:
    flair = viewer.layers["flair"]
    before = tuple(flair.contrast_limits)
    assert drag(viewer, 3, -3)
    assert tuple(flair.contrast_limits) == before


@pytest.mark.usefixtures("window_level")
def test_layers_of_no_case_are_left_alone(viewer: ViewerModel) -> None:
    viewer.layers.clear()
    viewer.add_image(np.zeros((4, 5, 6)))
    assert not drag(viewer, 50, 50)


def test_the_active_image_comes_first_and_then_the_topmost(viewer: ViewerModel, window_level: WindowLevel) -> None:
    assert window_level.image_at() is viewer.layers["flair"]
    viewer.layers["t1"].visible = True
    assert window_level.image_at() is viewer.layers["flair"]
    viewer.layers.selection.active = viewer.layers["t1"]
    assert window_level.image_at() is viewer.layers["t1"]
    viewer.layers["t1"].visible = False
    assert window_level.image_at() is viewer.layers["flair"]


@pytest.mark.usefixtures("window_level")
def test_each_cell_has_its_own_window(viewer: ViewerModel, panels: FourPanels, case: Case) -> None:
    panels.show(Arrangement.MODALITIES, case)
    viewer.layers.selection.active = viewer.layers["flair"]
    before = {layer: tuple(layer.contrast_limits) for layer in viewer.layers if isinstance(layer, Image)}
    assert drag(viewer, 50, 50, viewbox=(0, 1))
    changed = [layer.name for layer, limits in before.items() if tuple(layer.contrast_limits) != limits]
    assert changed == ["t1ce"]


def test_all_cells_are_reset_at_once(
    viewer: ViewerModel, window_level: WindowLevel, panels: FourPanels, case: Case
) -> None:
    panels.show(Arrangement.MODALITIES, case)
    images = [layer for layer in viewer.layers if isinstance(layer, Image) and layer.visible]
    before = [tuple(image.contrast_limits) for image in images]
    for cell in ((0, 1), (1, 0)):
        assert drag(viewer, 50, 50, viewbox=cell)
    assert [tuple(image.contrast_limits) for image in images] != before
    window_level.reset()
    assert [tuple(image.contrast_limits) for image in images] == before


def test_the_last_of_three_in_a_row_is_reset_too(
    viewer: ViewerModel, window_level: WindowLevel, panels: FourPanels, case: Case
) -> None:
    viewer.layers.remove("t1")
    panels.show(Arrangement.MODALITIES, case)
    before = tuple(viewer.layers["flair"].contrast_limits)
    assert drag(viewer, 50, 50, viewbox=(0, 2))
    assert tuple(viewer.layers["flair"].contrast_limits) != before
    window_level.reset()
    assert tuple(viewer.layers["flair"].contrast_limits) == before


def test_the_mouse_is_given_back(viewer: ViewerModel, window_level: WindowLevel) -> None:
    drags, clicks = len(viewer.mouse_drag_callbacks), len(viewer.mouse_double_click_callbacks)
    window_level.release()
    assert len(viewer.mouse_drag_callbacks) == drags - 1
    assert len(viewer.mouse_double_click_callbacks) == clicks - 1
    assert not drag(viewer, 50, 50)
    zoom = viewer.scene.camera.zoom
    mouse_double_click_callbacks(viewer, Mouse("mouse_double_click", (100, 100)))
    assert viewer.scene.camera.zoom == 2 * zoom
