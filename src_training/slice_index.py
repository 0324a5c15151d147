"""The index of the slice store: what is read of it, and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src_training.files import read_json
from src_training.recipe import RecipeError


def read_index(path: Path) -> dict[str, Any]:
    """Read ``slices/index.json``: ``fingerprint``, the settings of the slices, and ``cases``, an entry for each.

    Raises
    ------
    RecipeError
        If it is missing, damaged, or no such list.
    """
    remedy = f"delete {path.parent} and run the stage 'prepare' again"
    index = read_json(path, remedy=remedy)
    cases = index.get("cases")
    entries = cases.values() if isinstance(cases, dict) else [None]
    if not (isinstance(index.get("fingerprint"), dict) and all(map(_is_entry, entries))):
        raise RecipeError(f"{path}: is damaged (it is no list of cases); {remedy}")
    return index


def _is_entry(entry: Any) -> bool:
    """Tell whether an entry has what is read of each."""
    return (
        isinstance(entry, dict)
        and type(entry.get("fold")) is int
        and isinstance(entry.get("slices"), list)
        and isinstance(entry.get("unhealthy"), list)
    )
