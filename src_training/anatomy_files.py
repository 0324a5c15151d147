"""The tissue label maps that synthetic patients take their anatomy from."""

from __future__ import annotations

from pathlib import Path

from src_training.recipe import PretrainingRecipe, RecipeError


def anatomy_files(settings: PretrainingRecipe) -> list[Path]:
    """The label maps that synthetic patients take their anatomy from, by name; none where none are asked for.

    Raises
    ------
    RecipeError
        If the folder is missing or holds none.
    """
    folder = settings.anatomy
    if folder is None or not settings.patients:
        return []
    found = label_maps(folder)
    if not found:
        raise RecipeError(f"{folder}: holds no label map (.nii or .nii.gz); choose another --pretraining.anatomy")
    return found


def label_maps(folder: Path) -> list[Path]:
    """What in a folder is named as a label map, in the order of the names; hidden files are none."""
    return sorted(path for path in folder.glob("*") if path.name.endswith((".nii", ".nii.gz")) and path.name[0] != ".")
