"""Connections from a viewer's events to a widget, all undone at once when the widget dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ViewerLinks:
    """Remembers connections, because an event that reaches a deleted widget is an error."""

    def __init__(self) -> None:
        self._links: list[tuple[Any, Callable[..., Any]]] = []

    def connect(self, event: Any, callback: Callable[..., Any]) -> None:
        """Call `callback` on every `event`, an emitter of napari."""
        event.connect(callback)
        self._links.append((event, callback))

    def disconnect(self) -> None:
        """Undo all connections."""
        links, self._links = self._links, []
        for event, callback in links:
            event.disconnect(callback)
