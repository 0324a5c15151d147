"""Folds by patient, never by slice, and who is known under which names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_ddmd.case.naming import patient_key, patient_of
from napari_ddmd.case.nifti import open_nifti
from src_training.recipe import RecipeError

PACKAGED_FOLDS = Path(__file__).with_name("folds.json")


def of_known_patients(
    cases: Iterable[str], known: Sequence[str], lesions: Mapping[str, str | None] = MappingProxyType({})
) -> list[str]:
    """Those of some cases whose patients are among the patients of known cases.

    They are known by name, whatever their time points, or by the very lesion of one of these: a challenge names the
    patients of the year before anew.

    Parameters
    ----------
    cases, known
        Names of cases.
    lesions
        Hashes of the lesions of any of both.
    """
    cases, drawn = list(cases), {lesions.get(name) for name in known} - {None}
    patients = {patient_key(name) for name in [*known, *(case for case in cases if lesions.get(case) in drawn)]}
    return [name for name in cases if patient_key(name) in patients]


def lesion_hash(mask: Path) -> str | None:
    """What a case is known by under another name: a hash of its lesion's voxels on the axial grid; None where empty.

    Raises
    ------
    CaseError
        If the mask cannot be read.
    """
    file = open_nifti(mask)
    lesion = file.grid().to_axial(file.read_labels()) > 0
    if not lesion.any():
        return None
    return hashlib.sha256(repr(lesion.shape).encode() + np.packbits(lesion).tobytes()).hexdigest()[:16]


def told_lesions(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of the lesions that a model says it has learned from, by case; models of earlier versions do not say."""
    told = provenance.get("lesions")
    return {name: value for name, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


def assign_folds(
    case_names: Sequence[str],
    *,
    folds: int,
    seed: int,
    fold_file: Path | None = None,
    lesions: Mapping[str, str | None] = MappingProxyType({}),
) -> dict[str, int]:
    """Fold of each case.

    A fold file (or the packaged list, where it names every case and gives that many folds) fixes them. Otherwise
    patients are shuffled with the seed and dealt out in turn, all cases of a patient together: all time points, and
    those that have the very same lesion under another name, as a challenge of another year gives it.

    Parameters
    ----------
    case_names
        All cases.
    folds, seed, fold_file
        As above.
    lesions
        Hashes of the lesions of the cases, as far as they are known.

    Raises
    ------
    RecipeError
        If a fold file cannot be read, misses a case or splits a patient, or all cases are in one fold.
    """
    source = fold_file or PACKAGED_FOLDS
    listed = _read(source)
    missing = [name for name in case_names if name not in listed]
    if fold_file and missing:
        raise RecipeError(f"{fold_file}: has no fold for {missing[0]} ({len(missing)} cases missing); add them")
    patient = _patients(case_names, lesions)
    if len(set(patient.values())) < 2:
        raise RecipeError("fewer than two patients with a mask; cross-fitting needs at least two")
    if fold_file or (not missing and len({listed[name] for name in case_names}) == folds):
        assigned = {name: listed[name] for name in case_names}
    else:
        patients = sorted(set(patient.values()))
        order = np.random.default_rng(seed).permutation(len(patients))
        fold_of = {patients[number]: place % folds for place, number in enumerate(order)}
        assigned = {name: fold_of[patient[name]] for name in case_names}
    refuse_parted_patients(assigned, lesions, f"{source}")
    if len(set(assigned.values())) < 2:
        raise RecipeError(f"{source}: puts all cases into one fold; cross-fitting needs at least two")
    return assigned


def refuse_parted_patients(folds: Mapping[str, int], lesions: Mapping[str, str | None], source: str) -> None:
    """Refuse folds of which two hold one patient, who would be learned from and held out at once.

    Parameters
    ----------
    folds
        Fold of each case.
    lesions
        Hashes of the lesions of the cases, as far as they are known.
    source
        Where the folds are from, for the message.

    Raises
    ------
    RecipeError
        One line: who, and what to do.
    """
    by_patient: dict[str, dict[int, str]] = {}
    patient = _patients(list(folds), lesions)
    for name, fold in folds.items():
        by_patient.setdefault(patient[name], {}).setdefault(fold, name)
    for who, several in by_patient.items():
        if len(several) > 1:
            told = f"patient {who} is in folds {sorted(several)}"
            if len({patient_key(name) for name in several.values()}) > 1:
                (fold, name), (other_fold, other), *_ = sorted(several.items())
                told = f"{name} (fold {fold}) and {other} (fold {other_fold}) are of one patient, as their lesions tell"
            raise RecipeError(f"{source}: {told}; keep a patient together")


def _patients(case_names: Sequence[str], lesions: Mapping[str, str | None]) -> dict[str, str]:
    """Who each case is of: a name that cases of one patient have in common, and no others."""
    spelling: dict[str, str] = {}
    patient = {name: spelling.setdefault(patient_key(name), patient_of(name)) for name in sorted(case_names)}
    first: dict[str, str] = {}
    for name in patient:
        lesion = lesions.get(name)
        if lesion is not None:
            own, twin = patient[name], patient[first.setdefault(lesion, name)]
            if own != twin:
                patient = {other: twin if who == own else who for other, who in patient.items()}
    return patient


def _read(path: Path) -> dict[str, int]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: cannot be read as fold list ({error}); give a JSON object") from error
    is_list = isinstance(listed, dict) and all(type(fold) is int and fold >= 0 for fold in listed.values())
    if not is_list:
        raise RecipeError(f'{path}: is not a fold list; give a JSON object {{"case name": fold}} with folds from 0')
    return dict(listed)
