"""What the guards find goes with the results: to standard error, into the summary, into the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_ddmd.case import Case, find_case_files
from napari_ddmd.case.guards import Kind
from napari_ddmd.model import Bundle
from napari_ddmd.predict import PredictSettings, predict_case


@pytest.mark.fault("Wrong use")
def test_results_carry_what_is_wrong(small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    told: list[str] = []
    files = find_case_files(small_case_folder)
    done = predict_case(
        files, tiny_bundle, tmp_path, PredictSettings(slices=(3, 5), samples=1), report=True, remark=told.append
    )
    texts = [str(finding) for finding in done.case.findings]

    assert {finding.kind for finding in done.case.findings} == {Kind.SPACING, Kind.EMPTY}
    assert [f"{files.name}: {text}" for text in texts] == told[:2]
    assert done.summary["warnings"] == texts
    (report,) = done.folder.glob("*.html")
    page = report.read_text(encoding="utf-8")
    assert all(text in page for text in texts)


def test_a_case_is_looked_at_once(small_case: Case) -> None:
    assert small_case.findings is small_case.findings


def test_what_is_said_twice_is_saved_once(small_case: Case) -> None:
    from dataclasses import replace

    case = replace(small_case, warnings=(str(small_case.findings[0]), "something else"))

    assert case.cautions == (str(small_case.findings[0]), "something else", str(small_case.findings[1]))
