"""All cases of one call as a table (CSV) and as one line: done, kept or failed."""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_ddmd.lesion_table import csv_text
from napari_ddmd.one_line import one_line
from napari_ddmd.whole_files import ExportError, write_text

if TYPE_CHECKING:
    from napari_ddmd.cohort import DoneCase

TABLE_FILE = "cohort.csv"
Status = Literal["done", "kept", "failed"]
_BEGINNING = b"case,status,lesion_volume_ml,lesions,"
_STATUSES: tuple[Status, ...] = ("done", "kept", "failed")


@dataclass(frozen=True, kw_only=True)
class CohortRow:
    """What became of a case; None where a value is not known.

    Attributes
    ----------
    case
        Its name.
    status
        Whether this call has made its results, an earlier one has, or there are none.
    lesion_volume_ml, lesions, largest_lesion_ml
        Of the run's mask: all of it, the number of its connected lesions, and the largest.
    slices, seconds
        Of the run that made the results.
    model, version
        With which it did.
    warnings
        What the run remarked on the images and the model.
    remark
        Why it failed, or what somebody has changed in the results since.
    """

    case: str
    status: Status
    lesion_volume_ml: float | None = None
    lesions: int | None = None
    largest_lesion_ml: float | None = None
    slices: int | None = None
    seconds: float | None = None
    model: str | None = None
    version: str | None = None
    warnings: str = ""
    remark: str = ""

    @classmethod
    def of_done(cls, name: str, done: DoneCase) -> CohortRow:
        """The row of a case whose results are there; a summary of an earlier version may lack some of it."""
        summary = done.summary
        lesions = summary.get("lesions")
        volumes = [_number(lesion, "volume_ml") or 0.0 for lesion in lesions] if isinstance(lesions, list) else None
        model = summary.get("model")
        written = summary.get("warnings")
        told = dict.fromkeys([*(map(str, written) if isinstance(written, list) else ()), *done.cautions])
        return cls(
            case=name,
            status="kept" if done.kept else "done",
            lesion_volume_ml=_rounded(_number(summary, "lesion_volume_ml")),
            lesions=None if volumes is None else len(volumes),
            largest_lesion_ml=None if volumes is None else _rounded(max(volumes, default=0.0)),
            slices=_number(summary.get("slices"), "n"),
            seconds=_number(summary, "seconds"),
            model=str(model.get("name", "")) if isinstance(model, dict) else None,
            version=str(model.get("version", "")) if isinstance(model, dict) else None,
            warnings=one_line("; ".join(told)),
            remark=f"changed since: {', '.join(done.changed)}" if done.changed else "",
        )

    @classmethod
    def of_failed(cls, name: str, reason: object, *folders: Path) -> CohortRow:
        """The row of a case that has no results; the paths of folders are left out of the reason."""
        remark = one_line(reason)
        for folder in folders:
            # Where a path begins, and not within a name.
            beginning = re.escape(str(folder).rstrip(os.sep) + os.sep)
            remark = re.sub(rf"(?<![^\s('\"]){beginning}", "", remark)
        return cls(case=name, status="failed", remark=remark)


def refuse_foreign_table(out: Path) -> None:
    """See to it that no table of somebody else's will be replaced.

    Raises
    ------
    ExportError
        If ``out/cohort.csv`` is there and is not such a table.
    """
    table = out / TABLE_FILE
    try:
        with table.open("rb") as file:
            begins = file.read(len(_BEGINNING) + 3).removeprefix(codecs.BOM_UTF8)
    except (FileNotFoundError, NotADirectoryError):  # of the latter is told where the results are to be written
        return
    except OSError as error:
        raise ExportError(
            f"{table}: cannot be read ({error.strerror or error}); see that it can, or move it"
        ) from error
    if not begins.startswith(_BEGINNING):
        raise ExportError(f"{table}: is no table of these commands; choose another output folder or move it")


def write_cohort_table(out: Path, rows: Sequence[CohortRow]) -> Path:
    """Write ``out/cohort.csv``, a row a case, by name; an existing file is replaced in one step.

    Raises
    ------
    ExportError
        If the file cannot be written, or one of that name is somebody else's.
    """
    refuse_foreign_table(out)
    columns = [field.name for field in fields(CohortRow)]
    ordered = sorted(rows, key=lambda row: row.case)
    return write_text(out / TABLE_FILE, csv_text(columns, [asdict(row) for row in ordered]))


def cohort_line(rows: Sequence[CohortRow], out: Path, table: Path | None) -> str:
    """How many cases are done, kept and failed, and where results and table are."""
    count = Counter(row.status for row in rows)
    told = ", ".join(f"{count[status]} {status}" for status in _STATUSES if count[status])
    results = "no results" if count["failed"] == len(rows) else f"results in {out}"
    return f"{len(rows)} cases: {told}; {results}" + (f", table {table}" if table else "")


def _number(content: object, key: str) -> Any:
    value = content.get(key) if isinstance(content, Mapping) else None
    return value if isinstance(value, int | float) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
