"""Which series of a study to take: a proposal that a person can correct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from napari_ddmd.case import MODALITIES, MODALITY_LABELS
from napari_ddmd.dicom.errors import DicomError
from napari_ddmd.dicom.examinations import examinations, names_differ
from napari_ddmd.dicom.recognise import Guess, recognise
from napari_ddmd.dicom.study import Examination, Series, Study

Assignment = Mapping[str, Series]
"""The series of each modality."""

# Millimetres across the slices below which a series shows a part of the head only.
_WHOLE_HEAD: Final = 100.0


@dataclass(frozen=True)
class Candidate:
    """One series of a study, and what is made of it.

    Parameters
    ----------
    series : Series
        The series.
    modality : str or None
        What it is proposed for, None for a series that is not used.
    reason : str
        Why, in a few words.
    """

    series: Series
    modality: str | None
    reason: str


@dataclass(frozen=True, eq=False)
class Proposal:
    """What is made of a study, until a person says otherwise.

    Parameters
    ----------
    study : Study
        The study.
    candidates : tuple of Candidate
        One for each series, in their order.
    is_ambiguous : bool
        The folder holds several examinations that would do.
    picks : mapping of Examination to Assignment
        The best series of each examination in the folder.
    """

    study: Study
    candidates: tuple[Candidate, ...]
    is_ambiguous: bool = False
    picks: Mapping[Examination, Assignment] = field(default_factory=dict)

    @property
    def assignment(self) -> dict[str, Series]:
        """The proposed series of each modality; those that were not found are absent."""
        found = {one.modality: one.series for one in self.candidates}
        return {modality: found[modality] for modality in MODALITIES if modality in found}


def propose(study: Study) -> Proposal:
    """Guess all series of a study, and pick the best one for each modality.

    All four are taken from one examination: never from two patients.
    """
    guesses = {series: recognise(series) for series in study.series}
    picks = {name: _best(members, guesses) for name, members in examinations(study.series).items()}
    chosen = max(reversed(picks.values()), key=len)  # of several that would do the latest
    is_ambiguous = bool(chosen) and sum(len(pick) == len(chosen) for pick in picks.values()) > 1
    candidates = tuple(_candidate(series, guesses[series], chosen) for series in study.series)
    return Proposal(study, candidates, is_ambiguous, picks)


def accepted(proposal: Proposal, *, allow_missing: bool = False) -> dict[str, Series]:
    """Return a proposal's assignment where it can be used as it is.

    Parameters
    ----------
    proposal : Proposal
        What was guessed.
    allow_missing : bool
        Whether one modality may be missing.

    Raises
    ------
    DicomError
        If a modality was not found, or several examinations would do.
    """
    folder = proposal.study.folder
    if proposal.is_ambiguous:
        raise DicomError(
            f"{folder}: holds several examinations; choose the folder of one, or choose the series by hand"
        )
    missing = _missing(proposal.assignment)
    if len(missing) > allow_missing:
        without = ", or go on without it with --allow-missing" if len(missing) == 1 else ""
        raise DicomError(
            f"{folder}: no series was recognised as {' or '.join(missing)}; choose the series by hand{without}"
        )
    return proposal.assignment


def assignment_problem(assignment: Assignment, *, allow_missing: bool = False) -> str | None:
    """Say in one line why series make no case, None where they do; if that is allowed, one modality may be missing."""
    missing = _missing(assignment)
    if len(missing) > allow_missing:
        return f"no series is chosen for {' and '.join(missing)}"
    taken: dict[Series, str] = {}
    for modality, series in assignment.items():
        if series in taken:
            both = f"{MODALITY_LABELS[taken[series]]} and {MODALITY_LABELS[modality]}"
            return f"{series.label} is chosen for {both}"
        taken[series] = modality
        if series.problem is not None:
            return f"{series.label} {series.problem}"
    if len({series.facts.patient for series in assignment.values()}) > 1 or names_differ(assignment.values()):
        return "the series are of different patients"
    return None


def _missing(assignment: Assignment) -> list[str]:
    return [MODALITY_LABELS[modality] for modality in MODALITIES if modality not in assignment]


def _best(members: list[Series], guesses: Mapping[Series, Guess]) -> dict[str, Series]:
    by_modality: dict[str, list[Series]] = {}
    for series in members:
        if (modality := guesses[series].modality) is not None:
            by_modality.setdefault(modality, []).append(series)
    return {modality: max(found, key=_rank) for modality, found in by_modality.items()}


def _rank(series: Series) -> tuple[float | bool, ...]:
    """Better series have higher ranks: the whole head, small voxels, a volume, axial, many slices, acquired late."""
    columns, rows, slices = series.spacing
    is_whole = slices * len(series.slices) >= _WHOLE_HEAD
    coarseness = round(2 * max(columns, rows, slices)) / 2
    facts = series.facts
    return is_whole, -coarseness, facts.is_3d, series.plane == "axial", len(series.slices), facts.number or 0


def _candidate(series: Series, guess: Guess, chosen: Assignment) -> Candidate:
    if guess.modality is None or chosen.get(guess.modality) is series:
        return Candidate(series, guess.modality, guess.reason)
    best = chosen.get(guess.modality)
    if best is None or best.examination != series.examination:
        return Candidate(series, None, f"{guess.reason}; of another examination")
    return Candidate(series, None, f"{guess.reason}; {best.label} is preferred")
