"""Table 1 as text: what the cells say, worked out by hand."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from src_training.table_text import csv_table, markdown_pages

HIGH, LOW = {"a": 0.9, "b": 0.7, "c": 0.5}, {"a": 0.6, "b": 0.8, "c": None}


def figure(per_patient: dict[str, float | None], per_fold: dict[str, float | None]) -> dict[str, Any]:
    known = [value for value in per_patient.values() if value is not None]
    return {
        "mean": sum(known) / len(known),
        "std": 0.1,
        "interval": [min(known), max(known)],
        "per_patient": per_patient,
        "per_fold": per_fold,
    }


@pytest.fixture
def summary() -> dict[str, Any]:
    names = (
        *("dice_volume", "dice_slice", "dice_slice_all", "dice_pooled", "iou_foreground"),
        *("hd95", "healthy_fp_rate", "slice_auroc", "ece", "seconds"),
    )
    folds = {"0": 0.8, "1": 0.5}
    systems = {
        "ddmd-light": {name: figure(dict(HIGH), dict(folds)) for name in names},
        "unet-tuned": {name: figure(dict(LOW), {"0": 0.7, "1": None}) for name in names},
    }
    triple = {"dice": 0.5, "miou": 0.75, "pa": 1.0}
    return {
        "systems": systems,
        "patients": 3,
        "paper_like": {name: {"0": triple, "1": triple | {"dice": 0.7}} for name in systems},
        "budget": {
            name: {
                "parameters": 1_500_000,
                "iterations": 300,
                "batch_size": 16,
                "learning_rate": 1e-3,
                "size": 64,
                "minutes": [1.0, 2.0],
            }
            for name in systems
        },
    }


def cells(page: str, start: str, place: int = 0) -> list[str]:
    """Cells of the row of that name, the first such row or a later one."""
    rows = [line for line in page.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in rows[place].strip("|").split("|")]


def test_means_and_spreads_are_over_folds(summary: dict[str, Any]) -> None:
    page = markdown_pages(summary)

    assert cells(page, "ddmd-light") == ["ddmd-light", "60.00 ± 14.14", "75.00 ± 0.00", "100.00 ± 0.00"]
    assert cells(page, "ddmd-light", 1)[1:3] == ["0.650 ± 0.212", "0.650 ± 0.212"]
    mean = cells(page, "unet-tuned", 1)[1]
    assert mean == "0.700 (2 of 3 patients)", "a fold where the figure is not defined is left out, and it is said"
    assert "3 patients, 2 folds" in page
    assert "Paper-like (inferred)" in page


def test_every_patient_stands_in_the_table(summary: dict[str, Any]) -> None:
    page = markdown_pages(summary)

    assert cells(page, "b") == ["b", "0.700", "0.800"]
    assert cells(page, "c") == ["c", "0.500", "–"]
    assert cells(page, "**mean**") == ["**mean**", "0.700", "0.700"]
    assert cells(page, "interval") == ["interval", "0.500 to 0.900", "0.600 to 0.800"]


def test_a_system_with_fewer_patients_than_the_table_says_so(summary: dict[str, Any]) -> None:
    for figure in summary["systems"]["unet-tuned"].values():
        del figure["per_patient"]["a"]
    page = markdown_pages(summary)

    named = "unet-tuned (2 of 3 patients)"
    assert cells(page, named)[0] == cells(page, named, 1)[0] == named
    assert cells(page, "patient") == ["patient", "ddmd-light", named]
    assert cells(page, named, 1)[1] == "0.700 (1 of 2 patients)", "where one of these has no figure"
    assert "ddmd-light (" not in page


def test_differences_are_taken_patient_by_patient(summary: dict[str, Any]) -> None:
    row = cells(markdown_pages(summary), "ddmd-light", 2)

    assert row[1] == "+0.100", "0.9 - 0.6 and 0.7 - 0.8; the third has no value to be compared with"
    assert row[3] == "1 of 2"
    assert row[2].startswith("-0.100 to +0.300")


def test_without_the_tuned_u_net_nothing_is_compared(summary: dict[str, Any]) -> None:
    del summary["systems"]["unet-tuned"]

    assert "Against" not in markdown_pages(summary)


def test_the_budget_is_told(summary: dict[str, Any]) -> None:
    row = cells(markdown_pages(summary), "unet-tuned", 2)

    assert row == ["unet-tuned", "1.50", "300", "16", "0.001", "64", "1.5 ± 0.7"]


def test_csv_has_a_row_for_each_value(summary: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_table(summary))))

    assert len(rows) == 2 * 10 * 3
    chosen = [row for row in rows if (row["system"], row["metric"]) == ("unet-tuned", "dice_volume")]
    assert [(row["patient"], row["value"]) for row in chosen] == [("a", "0.6"), ("b", "0.8"), ("c", "")]
