"""The recipe of a run, kept in its folder."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from src_training.files import write_json
from src_training.recipe import Recipe, RecipeError


def save_recipe(recipe: Recipe) -> None:
    """Write ``recipe.json`` into the run's folder."""
    write_json(recipe.out / "recipe.json", recipe.to_dict())


def read_recipe(out: Path, base: Recipe) -> Recipe:
    """The recipe that a run was begun with, or ``base`` where there is none."""
    path = out / "recipe.json"
    if not path.exists():
        return base
    try:
        recipe: Recipe = _restore(base, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}); delete it and give the options again") from error
    return recipe


def _restore(base: Any, data: dict[str, Any]) -> Any:
    """Lay saved values over a dataclass, keeping the types of its fields."""
    changes: dict[str, Any] = {}
    for entry in fields(base):
        if entry.name not in data:
            continue
        old, value = getattr(base, entry.name), data[entry.name]
        if is_dataclass(old):
            value = _restore(old, value)
        elif isinstance(old, tuple):
            value = tuple(value)
        elif isinstance(old, Path) or entry.name == "fold_file":
            value = None if value in (None, "None") else Path(value)
        changes[entry.name] = value
    return replace(base, **changes)
