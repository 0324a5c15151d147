"""The panel's keys: none that is in use, and gone with the panel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes
    ----------
    name : str
        As napari writes it.
    does : str
        For people.
    act : callable
        What it does.
    """

    name: str
    does: str
    act: Callable[[], object]

    @property
    def label(self) -> str:
        """The key as it is written on this computer."""
        return label_of(self.name)


def label_of(name: str) -> str:
    """Return a key of napari's as it is written on this computer."""
    from napari.utils.key_bindings import coerce_keybinding

    return str(coerce_keybinding(name).to_text(use_symbols=sys.platform == "darwin", joinchar="+"))


class Keys:
    """Binds keys to a viewer, but for those that somebody else has bound to it.

    Keys of layers come before the viewer's in napari, so that none of them is ever stolen; yet a key that some layer
    uses would not work while that layer is active.

    Parameters
    ----------
    viewer : ViewerModel
        Whose keys they are.
    keys : list of Key
        In the order in which they are listed.

    Attributes
    ----------
    keys : list of Key
        Those that were free.
    """

    def __init__(self, viewer: ViewerModel, keys: list[Key]) -> None:
        from napari.utils.key_bindings import coerce_keybinding

        self._viewer = viewer
        self._bound: dict[Any, Callable[[Any], None]] = {}
        self.keys: list[Key] = []
        for key in keys:
            binding = coerce_keybinding(key.name)
            if not any(binding in taken for taken in (viewer.keymap, *_class_keymaps(viewer))):
                self._bound[binding] = _press(key.act)
                viewer.bind_key(binding, self._bound[binding])
                self.keys.append(key)

    def release(self) -> None:
        """Unbind all that are still bound to this."""
        for binding, press in self._bound.items():
            if self._viewer.keymap.get(binding) is press:
                self._viewer.bind_key(binding, None)
        self._bound, self.keys = {}, []


def _class_keymaps(viewer: ViewerModel) -> list[Any]:
    return [kind.class_keymap for kind in type(viewer).__mro__ if hasattr(kind, "class_keymap")]


def _press(act: Callable[[], object]) -> Callable[[Any], None]:
    # A function, since napari asks it for its name; not what it returns, which napari would call on release.
    def press(_viewer: Any) -> None:
        act()

    return press
