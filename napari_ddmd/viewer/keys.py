"""The panel's keys: none that napari uses, and gone with the panel."""

from __future__ import annotations

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


class Keys:
    """Binds keys to a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Whose keys they are.
    keys : list of Key
        In the order in which they are listed.
    """

    def __init__(self, viewer: ViewerModel, keys: list[Key]) -> None:
        self._viewer, self.keys = viewer, keys
        for key in keys:
            viewer.bind_key(key.name, _bound(key.act), overwrite=True)

    def release(self) -> None:
        """Unbind all."""
        for key in self.keys:
            self._viewer.bind_key(key.name, None, overwrite=True)


def _bound(act: Callable[[], object]) -> Callable[[Any], None]:
    def press(_viewer: Any) -> None:
        act()

    return press
