"""The examinations that a folder holds, and which of them was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

from napari_ddmd.dicom.study import Examination, Series, Study

_DIGITS: Final = 8  # of a date


def examinations(series: Iterable[Series]) -> dict[Examination, list[Series]]:
    """Put the series of each examination together, the oldest first as far as the headers tell."""
    found: dict[Examination, list[Series]] = {}
    for one in sorted(series, key=lambda one: one.facts.study_date):
        found.setdefault(one.examination, []).append(one)
    return found


def names_differ(series: Iterable[Series]) -> bool:
    """Whether series are of examinations that have no name in common; within one, a name may have been corrected."""
    names = {one.names for one in series if one.names}
    return any(one.isdisjoint(other) for one, other in combinations(names, 2))


def names_remark(chosen: Iterable[Series]) -> str | None:
    """Tell that chosen series bear several names, without them; None where they bear one or none."""
    names = {header.facts.patient_name for series in chosen for header in series.slices} - {""}
    if len(names) < 2:
        return None
    return (
        f"the series that were taken bear {len(names)} patients' names: one that was corrected, or another patient's; "
        "check that all are of one patient"
    )


def examination_titles(study: Study) -> dict[Examination, str]:
    """Name each examination of a folder that holds several, for a list on the screen: number, date and patient.

    Patients are numbered where there are several and the headers tell which is whose.
    """
    found = examinations(study.series)
    if len(found) < 2:
        return {}
    patients = list(dict.fromkeys(examination.patient for examination in found))
    is_told = len(patients) > 1 and not _perhaps_of_more(found)
    titles = {}
    for number, (examination, members) in enumerate(found.items(), start=1):
        date = members[0].facts.study_date or "no date"
        whose = f", patient {1 + patients.index(examination.patient)}" if is_told else ""
        titles[examination] = f"examination {number} ({date}{whose})"
    return titles


def examinations_remark(study: Study, chosen: Mapping[str, Series]) -> str | None:
    """Tell that a folder holds several examinations, and which was taken; no name or date. None where it holds one."""
    found = examinations(study.series)
    if len(found) < 2:
        return None
    patients = {examination.patient for examination in found}
    whose = f" of {len(patients)} patients" if len(patients) > 1 else ""
    if _perhaps_of_more(found):
        whose = ", perhaps of different patients"
    taken = {series.examination for series in chosen.values()}
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


def _perhaps_of_more(found: Mapping[Examination, Iterable[Series]]) -> bool:
    """Whether examinations may be of more patients than they tell: without any, or of one under different names."""
    by_patient: dict[str, list[Series]] = {}
    for examination, members in found.items():
        by_patient.setdefault(examination.patient, []).extend(members)
    return "" in by_patient or any(map(names_differ, by_patient.values()))
