"""The examinations that a folder holds, and which of them was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

from napari_ddmd.dicom.study import Series, Study

_DIGITS: Final = 8  # of a date

Examination = tuple[str, str]
"""The study's identifier and a digest of the patient; none may be mixed with another."""


def examination_of(series: Series) -> Examination:
    """Return the examination of a series."""
    return series.facts.study_uid, series.facts.patient


def examinations(series: Iterable[Series]) -> dict[Examination, list[Series]]:
    """Put the series of each examination together, the oldest first as far as the headers tell."""
    found: dict[Examination, list[Series]] = {}
    for one in sorted(series, key=lambda one: one.facts.study_date):
        found.setdefault(examination_of(one), []).append(one)
    return found


def names_differ(series: Iterable[Series]) -> bool:
    """Whether series of different examinations bear different names; within one, a name may have been corrected."""
    found = examinations(series).values()
    names = [told for members in found if (told := {one.facts.patient_name for one in members} - {""})]
    return any(one.isdisjoint(other) for one, other in combinations(names, 2))


def examination_titles(study: Study) -> dict[Examination, str]:
    """Name each examination of a folder that holds several, for a list on the screen: number, date and patient."""
    found = examinations(study.series)
    if len(found) < 2:
        return {}
    patients = list(dict.fromkeys(patient for _uid, patient in found))
    titles = {}
    for number, (examination, members) in enumerate(found.items(), start=1):
        date = members[0].facts.study_date or "no date"
        whose = f", patient {1 + patients.index(examination[1])}" if len(patients) > 1 else ""
        titles[examination] = f"examination {number} ({date}{whose})"
    return titles


def examinations_remark(study: Study, chosen: Mapping[str, Series]) -> str | None:
    """Tell that a folder holds several examinations, and which was taken; no name or date. None where it holds one."""
    found = examinations(study.series)
    if len(found) < 2:
        return None
    patients = {patient for _uid, patient in found}
    whose = f" of {len(patients)} patients" if len(patients) > 1 else ""
    if "" in patients or (len(patients) == 1 and names_differ(study.series)):
        whose = ", perhaps of different patients"
    taken = {examination_of(series) for series in chosen.values()}
    if not taken:
        return f"the folder holds {len(found)} examinations{whose}"
    if len(taken) > 1:
        which = f"the series are of {len(taken)} of them"
    else:
        dates = [members[0].facts.study_date for members in found.values()]
        which = "one of them was taken"
        if all(len(date) == _DIGITS and date.isdecimal() for date in dates) and dates[-1] > dates[-2]:
            which = "the latest was taken" if list(found)[-1] in taken else "one that is not the latest was taken"
    return f"the folder holds {len(found)} examinations{whose}; {which}"
