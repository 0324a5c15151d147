from __future__ import annotations

from napari.components import ViewerModel

from napari_ddmd.viewer.viewer_links import ViewerLinks


class Listener:
    def __init__(self) -> None:
        self.heard = 0

    def hear(self, _event: object) -> None:
        self.heard += 1


def test_all_connections_are_undone_at_once() -> None:
    viewer, links, listener = ViewerModel(), ViewerLinks(), Listener()
    links.connect(viewer.layers.events.inserted, listener.hear)
    links.connect(viewer.layers.events.removed, listener.hear)
    viewer.add_points()
    assert listener.heard == 1
    links.disconnect()
    viewer.layers.clear()
    viewer.add_points()
    assert listener.heard == 1
    links.disconnect()
