"""What napari's menus, and a file dropped on its window, do with sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_ddmd.viewer.session.archive import SessionError, is_session

if TYPE_CHECKING:
    from napari_ddmd.viewer.widgets.session_box import SessionBox


def get_session_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Return a reader for a session, or None so that other plugins may try.

    Parameters
    ----------
    path : str or sequence of str
        One file whose name ends in ``.ddmd``.

    Returns
    -------
    callable or None
        Opens the session in napari's window, with the panel; it returns no layers, since it adds them itself.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if len(paths) != 1 or not is_session(Path(paths[0])):
        return None
    file = Path(paths[0])

    def read(_path: Any) -> list[Any]:
        _session_box(f"{file}: ").open(file)
        return [(None,)]

    return read


def open_session() -> None:
    """Ask for a session, and open it in napari's window."""
    _session_box().ask_for_file()


def save_session() -> None:
    """Ask where to save the session of napari's window."""
    box = _session_box()
    if not box.save_button.isEnabled():
        raise SessionError("There is no case to save: open one first.")
    box.ask_for_place()


def _session_box(before: str = "") -> SessionBox:
    """The session box of the panel in napari's window; the panel is opened where it is not."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        raise SessionError(f"{before}a session opens in a window of napari; open one first")
    _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    box: SessionBox = panel.save_tab.session_box
    return box
