"""Where models live: inside the package, in the user's folder, or wherever one points."""

from __future__ import annotations

import os
from pathlib import Path

from napari_ddmd.model.bundle import SETTINGS_FILE, Bundle, BundleError, read_bundle

PACKAGED = Path(__file__).parent.parent / "models"
DEFAULT_MODEL = "compact"


def model_folders() -> list[Path]:
    """Folders that are searched for models: the package's own, then each of ``NAPARI_DDMD_MODELS``."""
    extra = os.environ.get("NAPARI_DDMD_MODELS", "")
    return [PACKAGED, *(Path(entry) for entry in extra.split(os.pathsep) if entry)]


def list_bundles() -> list[Path]:
    """Folders of the models that are installed, by name."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for description in sorted(folder.glob(f"*/{SETTINGS_FILE}")):
            found.setdefault(description.parent.name, description.parent)
    return [found[name] for name in sorted(found)]


def load_bundle(name_or_dir: str | Path = DEFAULT_MODEL) -> Bundle:
    """Load a model by the name of an installed one, or from its folder or the ``model.json`` in it.

    Raises
    ------
    BundleError
        If there is no such model, or it is damaged.
    """
    if not str(name_or_dir):
        raise BundleError("the model's name is empty; name an installed one or a model's folder")
    installed = {folder.name: folder for folder in list_bundles()}
    if str(name_or_dir) in installed:
        return read_bundle(installed[str(name_or_dir)])
    folder = Path(name_or_dir)
    if folder.name == SETTINGS_FILE:
        folder = folder.parent
    if _is_folder(folder):
        return read_bundle(folder)
    names = ", ".join(installed) or "none"
    raise BundleError(f"{name_or_dir}: no such model; name an installed one ({names}) or a model's folder")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no path can have
        return False
