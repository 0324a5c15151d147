from __future__ import annotations

import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding

from napari_ddmd.viewer.keys import Key, Keys, label_of


@pytest.fixture
def pressed() -> list[str]:
    return []


def press(viewer: ViewerModel, name: str) -> bool:
    """Press a key as napari does: the active layer's keys come first."""
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [viewer] if active is None else [active, viewer]
    return handler.press_key(name)


def test_keys_act_whatever_layer_is_active(viewer: ViewerModel, pressed: list[str]) -> None:
    Keys(viewer, [Key("N", "", lambda: pressed.append("n")), Key("Shift-N", "", lambda: pressed.append("shift"))])
    for layer in (None, viewer.layers["flair"], viewer.layers["expert mask"]):
        viewer.layers.selection.active = layer
        assert press(viewer, "N")
        assert press(viewer, "Shift-N")
    assert pressed == ["n", "shift"] * 3


def test_keys_go_with_the_panel(viewer: ViewerModel, pressed: list[str]) -> None:
    keys = Keys(viewer, [Key("N", "", lambda: pressed.append("n"))])
    keys.release()
    assert not press(viewer, "N")
    assert not viewer.keymap
    keys.release()
    assert pressed == []


def test_a_key_that_is_taken_is_left_to_its_owner(viewer: ViewerModel, pressed: list[str]) -> None:
    viewer.bind_key("N", lambda _viewer: pressed.append("theirs"))
    keys = Keys(viewer, [Key("N", "", lambda: pressed.append("ours")), Key("H", "", lambda: pressed.append("h"))])
    assert [key.name for key in keys.keys] == ["H"]
    press(viewer, "N")
    keys.release()
    press(viewer, "N")
    assert pressed == ["theirs", "theirs"]


def test_a_key_of_napari_s_viewer_is_not_stolen(viewer: ViewerModel) -> None:
    # As in napari's own window, where the preferences bind it.
    ViewerModel.bind_key("Ctrl-Alt-J", print)
    try:
        assert Keys(viewer, [Key("Ctrl-Alt-J", "", print)]).keys == []
    finally:
        ViewerModel.bind_key("Ctrl-Alt-J", None)


def test_a_key_that_others_bound_later_stays_theirs(viewer: ViewerModel, pressed: list[str]) -> None:
    keys = Keys(viewer, [Key("N", "", lambda: pressed.append("ours"))])
    viewer.bind_key("N", lambda _viewer: pressed.append("theirs"), overwrite=True)
    keys.release()
    press(viewer, "N")
    assert pressed == ["theirs"]


def test_what_a_key_returns_is_not_called_on_release(viewer: ViewerModel, pressed: list[str]) -> None:
    Keys(viewer, [Key("N", "", lambda: lambda: pressed.append("released"))])
    handler = KeymapHandler()
    handler.keymap_providers = [viewer]
    handler.press_key("N")
    handler.release_key("N")
    assert pressed == []


def test_keys_are_written_for_people() -> None:
    assert label_of("N") == "N"
    assert label_of("Shift-N") in ("Shift+N", "⇧+N")
    assert str(coerce_keybinding("Ctrl-Enter")) == "Ctrl+Enter"
