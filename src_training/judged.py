"""Patients who are judged: where their files are by now, and figures that hold as long as these are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from napari_ddmd.case import CaseError, CaseFiles, case_places, find_case_files
from napari_ddmd.earlier import images_hash
from napari_ddmd.whole_files import file_hash
from src_training import distributed
from src_training.case_bar import case_bar
from src_training.cases import FaultyCasesError, header_fault
from src_training.files import read_json, write_json
from src_training.fingerprints import are_same
from src_training.recipe import RecipeError
from src_training.run import Run


def case_files(run: Run, names: Collection[str]) -> dict[str, CaseFiles]:
    """Files of some cases of the slice store: by name under ``--data``, else where they lay when it was made.

    Raises
    ------
    RecipeError
        If a case is in neither place.
    CaseError
        If files are at fault, with all such cases.
    """
    index, data = run.index(), run.recipe.data
    try:
        places = case_places(data)
    except CaseError:  # gone; the cases may be where they were
        places = []
    found: dict[str, CaseFiles] = {}
    faults: list[CaseError] = []
    for name in names:
        stored = Path(index[name]["folder"])
        named = [place for place in places if place.name == name]
        place = named[0] if len(named) == 1 else stored
        if not place.exists():
            raise RecipeError(f"{name}: is neither in {data} nor in {stored}; say with --data where the cases are now")
        try:
            found[name] = find_case_files(place)
        except CaseError as error:
            faults.append(error)
    if faults:
        raise FaultyCasesError(faults, way_out="")
    return found


def case_hash(files: CaseFiles) -> str:
    """SHA-256 of what a case's images and mask hold."""
    whole = hashlib.sha256(images_hash(files).encode())
    if files.mask is not None:
        whole.update(file_hash(files.mask).encode())
    return whole.hexdigest()


def judge_each(
    files: Mapping[str, CaseFiles],
    folder: Path,
    made_with: dict[str, Any],
    judge: Callable[[str], dict[str, Any]],
    *,
    title: str,
    needs: Collection[str] = (),
) -> None:
    """Judge the patients that are this process's share; returns when all processes have judged theirs.

    A patient whose images turn out to be broken does not cost the others their figures, which are kept.

    Parameters
    ----------
    files
        Of the patients, by name.
    folder
        Where the figures of each are kept, as ``<name>.json``.
    made_with, needs
        As for `kept_or_made`.
    judge
        Judges the patient of a name.
    title
        Stands before the progress.

    Raises
    ------
    FaultyCasesError
        If patients cannot be read, whichever process found them, with all of them: before anything is judged where
        their headers tell, else in the end.
    """
    new = [own for name, own in files.items() if not (folder / f"{name}.json").exists()]
    _refuse_any([str(fault) for own in new if (fault := header_fault(own)) is not None])
    faults: list[str] = []
    with case_bar(files, title, len(files)) as bar:
        for name in bar:
            try:
                kept_or_made(folder / f"{name}.json", files[name], made_with, partial(judge, name), needs=needs)
            except CaseError as error:
                faults.append(str(error))
    _refuse_any(faults, kept="the figures of the others are kept; the same command goes on")


def _refuse_any(faults: list[str], *, kept: str = "") -> None:
    """Stop all processes where one has found cases at fault."""
    broken = [fault for told in distributed.gather(faults) for fault in told]
    if broken:
        raise FaultyCasesError(broken, way_out="", kept=kept)


def kept_or_made(
    path: Path,
    files: CaseFiles,
    made_with: dict[str, Any],
    make: Callable[[], dict[str, Any]],
    *,
    needs: Collection[str] = (),
) -> dict[str, Any]:
    """Figures of a patient as they were kept, where they hold; else made and kept.

    Parameters
    ----------
    path
        Where they are kept.
    files
        Of the patient. Figures that were kept hold for the same content; those of earlier versions do not say of which
        they are, and hold.
    made_with
        Weights and settings, as they come back from JSON; kept figures of others do not hold.
    make
        Judges the patient.
    needs
        Keys that kept figures must have.
    """
    if path.exists():
        kept = read_json(path, remedy="delete it and give the same command again")
        is_ours = are_same(kept.get("made_with"), made_with) and set(needs) <= kept.keys()
        if is_ours and ("data" not in kept or kept["data"] == case_hash(files)):
            return kept
    data = case_hash(files)  # before they are read: what changes meanwhile is judged again
    figures = make() | {"made_with": made_with, "data": data}
    write_json(path, figures)
    return figures
