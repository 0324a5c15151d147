"""Stage ``prepare``: cases to a slice store that can be memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_ddmd.case import Case, CaseError, CaseFiles, load_case
from napari_ddmd.whole_files import file_hash
from napari_ddmd.window import CaseWindow
from src_training import distributed
from src_training.case_bar import case_bar
from src_training.cases import FaultyCasesError, labelled_cases
from src_training.files import read_json, write_array, write_json
from src_training.folds import assign_folds, lesion_hash
from src_training.processes import each
from src_training.recipe import DataRecipe, Recipe, RecipeError
from src_training.run import Run


def prepare(run: Run) -> None:
    """Write ``slices/<case>.images.npy``, ``.masks.npy`` and ``slices/index.json``; finished cases are kept.

    Images are ``(n, C, size, size)`` uint8 (0 to 255 stands for 0 to 1), masks ``(n, size, size)`` uint8. They hold the
    slices that are kept and their neighbours, from the slice ``stored_from`` of the index on.
    A slice is unhealthy when its mask has any lesion voxel. Of several processes of a launcher the first does it, with
    the workers of the recipe.
    """
    distributed.on_main(lambda: _prepare(run))


def _prepare(run: Run) -> None:
    recipe = run.recipe
    fingerprint = run.slices_fingerprint
    if run.index_path.exists():
        run.check_fingerprint(run.index_path, fingerprint)
    labelled = labelled_cases(recipe.data, are_read=not run.index_path.exists())
    names = [files.name for files in labelled]
    if run.index_path.stem in names:
        raise RecipeError(f"{recipe.data}: a case is called {run.index_path.stem!r}; give its folder another name")
    if run.index_path.exists():
        stored = run.stored_folds()
        if stored.keys() != set(names):
            raise RecipeError(
                f"{recipe.data}: has other cases than the slice store in {run.root} "
                f"({', '.join(sorted(stored.keys() ^ set(names))[:3])}); choose another --out for the new data"
            )
        if recipe.slices.fold_file is not None:
            folds = folds_of(recipe, names, run.lesions())
            moved = [name for name in names if folds[name] != stored[name]]
            if moved:
                raise RecipeError(
                    f"{recipe.slices.fold_file}: has {moved[0]} in fold {folds[moved[0]]}, the slice store in "
                    f"{run.root} in fold {stored[moved[0]]}; choose another --out for the new folds"
                )
        _refuse_changed(run, labelled)
        run.splits(stored)
        return
    run.splits(folds_of(recipe, names))  # what cannot be held out is refused before hours of reading
    task = f"{run.slices}: a process that prepared cases"
    entries: dict[str, dict[str, Any]] = {}
    faults: list[CaseError] = []
    work = each(partial(_entry, run), labelled, recipe.workers, task=task)
    with case_bar(work, "prepare", len(labelled)) as bar:
        for files, entry in zip(labelled, bar, strict=True):
            if isinstance(entry, CaseError):
                faults.append(entry)
            else:
                entries[files.name] = entry | {"folder": str(files.folder)}
    if faults:
        raise FaultyCasesError(faults, kept="the other cases are prepared and kept")
    lesions = {name: entry.get("lesion") for name, entry in entries.items()}
    folds = folds_of(recipe, names, lesions)
    run.splits(folds, lesions)
    for name, entry in entries.items():
        entry["fold"] = folds[name]
    write_json(run.index_path, {"fingerprint": fingerprint, "cases": entries})


def folds_of(
    recipe: Recipe, names: list[str], lesions: Mapping[str, str | None] = MappingProxyType({})
) -> dict[str, int]:
    """Fold of each case, as the recipe asks for it; hashes of lesions tell who has two names."""
    settings = recipe.slices
    return assign_folds(names, folds=settings.folds, seed=recipe.seed, fold_file=settings.fold_file, lesions=lesions)


def _entry(run: Run, files: CaseFiles) -> dict[str, Any] | CaseError:
    """What the index says of a case, which is stored unless it is there; what is wrong with one that cannot be read."""
    path, fingerprint = _entry_path(run, files.name), run.slices_fingerprint
    if path.exists():
        run.check_fingerprint(path, fingerprint)
    if not path.exists() or _changed(path, files):  # nothing is made from it yet
        content = _content(files)  # before they are read: what changes meanwhile is noticed
        try:
            stored = _store(load_case(files), run.recipe, run.slices)
        except CaseError as error:
            return error
        lesion = None if files.mask is None else lesion_hash(files.mask)
        write_json(path, {"fingerprint": fingerprint, "files": content, "case": stored | {"lesion": lesion}})
    entry: dict[str, Any] = _stored(path)["case"]
    return entry


_REMEDY = "delete it and run the stage 'prepare' again"


def _stored(path: Path) -> dict[str, Any]:
    """What is stored of a case."""
    stored = read_json(path, remedy=_REMEDY)
    files = stored.get("files", {"images": {}, "mask": None})  # stores of earlier versions do not tell
    is_whole = isinstance(files, dict) and isinstance(files.get("images"), dict) and "mask" in files
    if not (is_whole and isinstance(stored.get("case"), dict)):
        raise RecipeError(f"{path}: is damaged (it is not what is kept of a case); {_REMEDY}")
    return stored


def _entry_path(run: Run, name: str) -> Path:
    return run.slices / f"{name}.json"


def _content(files: CaseFiles) -> dict[str, Any]:
    """What a case's files are known by: the mask, which people correct, by its hash, and images by name and size."""
    images = {path.name: path.stat().st_size for path in files.images.values()}
    return {"mask": None if files.mask is None else file_hash(files.mask), "images": images}


def _changed(path: Path, files: CaseFiles) -> list[Path]:
    """Files of a case that are not those which its slices were made from; stores of earlier versions do not tell.

    A mask may be packed anew, or name its parts otherwise: it is another one where the lesion is.
    """
    entry = _stored(path)
    stored = entry.get("files")
    if stored is None:
        return []
    now, masks = _content(files), []
    if files.mask is not None and stored["mask"] != now["mask"] and lesion_hash(files.mask) != entry["case"]["lesion"]:
        masks = [files.mask]
    sizes = {name: size for name, size in now["images"].items() if stored["images"].get(name, size) != size}
    return masks + [image for image in files.images.values() if image.name in sizes]


def _refuse_changed(run: Run, labelled: Sequence[CaseFiles]) -> None:
    """Refuse files that were changed since they were stored: maps and weights have learned from the old ones.

    Raises
    ------
    RecipeError
        One line: the first of them, and what to do.
    """
    paths = [(files, _entry_path(run, files.name)) for files in labelled]
    others = {files.name: found for files, path in paths if path.exists() and (found := _changed(path, files))}
    if others:
        name, (file, *_) = next(iter(others.items()))
        more = f" (and {len(others) - 1} more changed)" if len(others) > 1 else ""
        raise RecipeError(
            f"{file}: is not the file that the slices of {name} in {run.root} were made from{more}; choose another "
            "--out, where all is learned from the files as they are now, or put the old ones back"
        )


def describe_slices(case: Case, recipe: DataRecipe) -> dict[str, Any]:
    """What the index says of a case.

    Returns
    -------
    dict
        ``slices``: numbers of those that are kept; ``unhealthy``: their image-level labels; ``judged``: how many are
        judged when the case is held out, which are all in the band that hold any brain.

    Raises
    ------
    CaseError
        If the mask could not be used, or no slice is kept.
    """
    labels, voxels = _labels(case), case.brain.sum(axis=(1, 2))
    numbers = np.arange(len(voxels))
    kept = numbers[
        (voxels * case.spacing[1] * case.spacing[2] >= recipe.min_brain_mm2)
        & (numbers >= recipe.first_slice)
        & (numbers <= recipe.last_slice)
    ]
    if kept.size == 0:
        raise CaseError(
            f"{case.name}: no slice between the first and last slice holds enough brain; widen "
            "--slices.first-slice to --slices.last-slice"
        )
    return {
        "slices": kept.tolist(),
        "unhealthy": (labels[kept] > 0).any(axis=(1, 2)).tolist(),
        "judged": int((voxels[recipe.first_slice : recipe.last_slice + 1] > 0).sum()),
    }


def _store(case: Case, recipe: Recipe, folder: Path) -> dict[str, Any]:
    described = describe_slices(case, recipe.slices)
    kept: list[int] = described["slices"]
    window = CaseWindow(case, recipe.model)
    first = max(kept[0] + min(window.offsets), 0)
    stored = list(range(first, min(kept[-1] + max(window.offsets) + 1, len(case.brain))))
    framed = window.images(stored)
    lesion = torch.from_numpy((_labels(case)[stored] > 0).astype(np.float32))[:, None]
    masks = (window.frame.to_frame(lesion)[:, 0] > 0.5).to(torch.uint8).numpy()
    write_array(folder / f"{case.name}.images.npy", (framed * 255).round().clamp(0, 255).to(torch.uint8).numpy())
    write_array(folder / f"{case.name}.masks.npy", masks)
    return described | {"stored_from": first, "offsets": list(window.offsets)}


def _labels(case: Case) -> NDArray[np.uint8]:
    if case.mask is None:
        raise CaseError(f"{case.name}: its mask could not be used")
    return case.mask
