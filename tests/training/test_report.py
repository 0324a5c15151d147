"""The table for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src_training.report import HEADINGS, POOLED, known_of, markdown_table

from .conftest import PATIENTS


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]


def test_the_table_has_every_patient_and_figure(tiny_out: Path) -> None:
    summary = json.loads((tiny_out / "metrics.json").read_text())
    table = markdown_table(summary)
    rows = rows_of(table)

    assert table == (tiny_out / "metrics.md").read_text()
    assert table.startswith("## ddmd\n\n| patient |")
    assert [row[0] for row in rows[2:]] == [*PATIENTS, "**mean**", "sd", "95 % interval of the mean"]
    assert rows[0][1:] == list(HEADINGS.values())
    assert {len(row) for row in rows} == {len(HEADINGS) + 1}
    figures = summary["systems"]["ddmd"]
    assert rows[2][1] == f"{figures['dice_volume']['per_patient'][PATIENTS[0]]:.3f}"
    assert rows[6][4] == f"{figures['hd95']['mean']:.1f}" + known_of(figures["hd95"])
    for key in POOLED:
        assert f"{key} {figures[key]['pooled']:.4f}" in table


def figure(values: dict[str, float | None], mean: float | None) -> dict[str, Any]:
    known = {"mean": mean, "std": mean, "per_patient": values, "pooled": 0.25}
    return known if mean is None else known | {"interval": [mean - 0.1, mean + 0.1]}


def test_undefined_figures_are_dashes() -> None:
    names = ("a", "b")
    figures = {key: figure({"a": 0.5, "b": 0.7}, 0.6) for key in POOLED} | {
        "dice_volume": figure({"a": 0.5, "b": 0.7}, 0.6),
        "hd95": figure(dict.fromkeys(names), None),
        "seconds": figure({"a": 1.0, "b": 2.0}, 1.5),
    }
    rows = rows_of(markdown_table({"systems": {"ddmd": figures}}))

    assert rows == [
        ["patient", "volume Dice", "HD95 mm"],
        ["---", "---:", "---:"],
        ["a", "0.500", "–"],
        ["b", "0.700", "–"],
        ["**mean**", "0.600", "–"],
        ["sd", "0.600", "–"],
        ["95 % interval of the mean", "0.500 to 0.700", ""],
    ]


def test_a_mean_of_some_patients_says_of_how_many() -> None:
    """A distance to an empty mask is none."""
    figures = {key: figure({"a": 0.5, "b": 0.7}, 0.6) for key in (*POOLED, "dice_volume")}
    figures["hd95"] = figure({"a": None, "b": 4.0}, 4.0)
    rows = {row[0]: row[1:] for row in rows_of(markdown_table({"systems": {"ddmd": figures}}))}
    assert rows["**mean**"] == ["0.600", "4.0 (1 of 2 patients)"]


def test_each_system_has_its_table() -> None:
    figures = {key: figure({"a": 0.5}, 0.5) for key in (*POOLED, "dice_volume")}
    table = markdown_table({"systems": {"ddmd-light": figures, "unet": figures}})

    assert [line for line in table.splitlines() if line.startswith("##")] == ["## ddmd-light", "## unet"]
    assert markdown_table({"systems": {}}) == ""
