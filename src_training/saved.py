"""The recipe of a run, kept in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from napari_ddmd.model.older import brought_up_to_date
from src_training.distributed import is_main
from src_training.files import write_bytes, write_json
from src_training.recipe import Recipe, RecipeError

RECIPE_FILE = "recipe.json"


@contextmanager
def kept_recipe(recipe: Recipe) -> Iterator[None]:
    """Keep the recipe in the run's folder while its stages run and after them.

    A recipe that a stage refuses (a `ValueError`) must not take the place of the one that the run was begun with.
    """
    if not is_main():
        yield
        return
    path = recipe.out / RECIPE_FILE
    is_new = not recipe.out.exists()
    was_empty = is_new or not any(recipe.out.iterdir())
    before = path.read_bytes() if path.exists() else None
    write_json(path, recipe.to_dict())
    try:
        yield
    except ValueError:
        if before is not None:
            write_bytes(path, before)
        elif was_empty and set(recipe.out.iterdir()) == {path}:
            path.unlink()
            if is_new:
                recipe.out.rmdir()
        raise


def read_recipe(out: Path, base: Recipe) -> Recipe:
    """The recipe that a run was begun with, or ``base`` where there is none."""
    path = out / RECIPE_FILE
    if not path.exists():
        return base
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(saved.get("model"), dict):
            saved["model"] = brought_up_to_date(saved["model"])
        if isinstance(saved.get("pretraining"), dict):
            saved["pretraining"].setdefault("autoencoders", False)
        recipe: Recipe = _restore(base, saved)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}); delete it and give the options again") from error
    # What one call judges and compares, and how it reports, is its own affair.
    own = ("json", "bundle", "record", "pictures", "dry_run", "systems")
    return replace(recipe, **{name: getattr(base, name) for name in own})


def _restore(base: Any, data: dict[str, Any]) -> Any:
    """Lay saved values over a dataclass, keeping the types of its fields."""
    changes: dict[str, Any] = {}
    hints = get_type_hints(type(base))
    for entry in fields(base):
        if entry.name not in data:
            continue
        old, value = getattr(base, entry.name), data[entry.name]
        _check_kind(entry.name, value, old)
        choices = get_args(hints[entry.name]) if get_origin(hints[entry.name]) is Literal else (value,)
        if value not in choices:
            raise ValueError(f"{entry.name} is {value!r}")
        if is_dataclass(old):
            value = _restore(old, value)
        elif isinstance(old, tuple):
            value = tuple(value)
        elif isinstance(old, Path) or entry.name in ("fold_file", "anatomy"):
            value = None if value in (None, "None") else Path(value)
        changes[entry.name] = value
    return replace(base, **changes)


_KINDS: dict[type, tuple[type, ...]] = {tuple: (list,), bool: (bool,), int: (int,), float: (int, float)}
"""What JSON has in the place of each type of setting; of all others, text."""
_MAY_BE_NONE = ("fold_file", "anatomy", "start_from", "bundle")


def _check_kind(name: str, value: Any, like: Any) -> None:
    """Refuse a value of another type than the setting has."""
    if name in _MAY_BE_NONE:
        like = None if value is None else ""
    if like is None:
        return
    wanted = (dict,) if is_dataclass(like) else _KINDS.get(type(like), (str,))
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(like, bool):
        raise TypeError(f"{name} is {value!r}")
    if isinstance(value, list) and like:
        for item in value:
            _check_kind(name, item, like[0])
