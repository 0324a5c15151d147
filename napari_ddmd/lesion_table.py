"""The lesions of a mask as a table: CSV, with the unit in each column's name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_ddmd.case import MODALITIES
from napari_ddmd.saveable import Saveable
from napari_ddmd.summary import lesion_entry
from napari_ddmd.whole_files import write_text

COLUMNS = (
    "case",
    "model",
    "threshold",
    "min_peak",
    "edited_by_hand",
    "accepted",
    "lesion",
    "volume_ml",
    "longest_axial_diameter_mm",
    "diameter_slice",
    "first_slice",
    "last_slice",
    "centroid_i_voxel",
    "centroid_j_voxel",
    "centroid_k_voxel",
    "mean_probability",
    "mean_uncertainty_bits",
    *(f"inter_score_{name}" for name in MODALITIES),
)


def lesion_rows(content: Saveable) -> list[dict[str, Any]]:
    """One row a lesion, largest first; None where a value is not known.

    Slices and voxels are in the numbers of the case's files, as in ``summary.json``.
    """
    facts = content.model if content.is_models else content.proposed_by
    model = "" if facts is None else facts.title
    rows = []
    for lesion in content.lesions:
        entry = lesion_entry(lesion, content.case)
        first, last = entry["slices"]
        i, j, k = entry["centroid_voxel"]
        scores = entry["modality_scores"] or {}
        values = (
            content.case.name,
            model,
            content.threshold if content.is_models else None,
            content.settings.get("min_peak") if content.is_models else None,
            "yes" if content.was_edited or not content.is_models else "no",
            content.accepted or "no",
            lesion.label,
            round(lesion.volume_ml, 6),
            round(lesion.longest_diameter_mm, 3),
            entry["diameter_slice"],
            first,
            last,
            i,
            j,
            k,
            _rounded(lesion.mean_probability),
            _rounded(lesion.mean_uncertainty),
            *(_rounded(scores.get(name)) for name in MODALITIES),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def lesion_csv(content: Saveable) -> str:
    """The lesions as CSV; an empty mask gives the columns' names alone."""
    return csv_text(COLUMNS, lesion_rows(content))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV, under the columns' names; None is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_lesion_table(path: str | Path, content: Saveable) -> Path:
    """Write the lesions as CSV; an existing file is replaced in one step.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    return write_text(path, lesion_csv(content))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
