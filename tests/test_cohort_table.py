"""The table of all cases of a call, and the last line that it prints."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_ddmd.case import find_case_files
from napari_ddmd.cli import main
from napari_ddmd.cohort import DoneCase, do_case
from napari_ddmd.cohort_table import CohortRow, cohort_line, write_cohort_table
from napari_ddmd.model import Bundle
from napari_ddmd.predict import PredictSettings
from napari_ddmd.whole_files import ExportError

from .conftest import CaseWriter
from .results import correct_mask

QUICK = ["--samples", "1", "--steps", "1", "--slices", "3:5", "--threshold", "0"]
Captured = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("taken_for_a_brain")


def table(out: Path) -> list[dict[str, str]]:
    with (out / "cohort.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def cohort(tmp_path: Path, write_small_case: CaseWriter) -> Path:
    for name in ("a", "b"):
        write_small_case(tmp_path / "cohort" / name)
    cut = write_small_case(tmp_path / "cohort" / "c") / "c_flair.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-200])
    twin = write_small_case(tmp_path / "cohort" / "d")
    shutil.copy(twin / "d_t1.nii.gz", twin / "again_t1.nii.gz")
    return tmp_path / "cohort"


def test_a_cohort_ends_with_one_line_and_a_table_of_every_case(
    cohort: Path, tiny_model_folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    words = ["predict", str(cohort), "--model", str(tiny_model_folder), "--out", str(out), *QUICK]

    assert main(words) == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"4 cases: 2 done, 2 failed; results in {out}, table {out / 'cohort.csv'}"
    rows = table(out)
    assert [(row["case"], row["status"]) for row in rows] == [
        ("a", "done"),
        ("b", "done"),
        ("c", "failed"),
        ("d", "failed"),
    ]
    summary = json.loads((out / "a" / "summary.json").read_text())
    volumes = [lesion["volume_ml"] for lesion in summary["lesions"]]
    assert volumes
    assert float(rows[0]["lesion_volume_ml"]) == pytest.approx(summary["lesion_volume_ml"], abs=1e-6)
    assert int(rows[0]["lesions"]) == len(volumes)
    assert float(rows[0]["largest_lesion_ml"]) == pytest.approx(max(volumes), abs=1e-6)
    assert (rows[0]["slices"], rows[0]["model"], rows[0]["version"]) == ("2", "untrained", "0")
    assert float(rows[0]["seconds"]) == summary["seconds"]
    assert rows[2]["remark"].startswith("c/c_flair.nii.gz: ")
    assert rows[3]["remark"].startswith("d: 2 files for t1 ")
    assert str(tmp_path) not in (out / "cohort.csv").read_text()

    correct_mask(out / "b" / "b_mask.nii.gz")
    shutil.rmtree(out / "a")
    assert main(words) == 2
    assert "4 cases: 1 done, 1 kept, 2 failed;" in capsys.readouterr().out
    rows = table(out)
    assert [row["status"] for row in rows] == ["done", "kept", "failed", "failed"]
    assert rows[1]["remark"] == "changed since: b_mask.nii.gz"


def test_a_single_case_has_no_table(
    small_case_folder: Path, tiny_model_folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    words = ["predict", str(small_case_folder), "--model", str(tiny_model_folder), "--out", str(tmp_path / "out")]
    assert main([*words, *QUICK]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["Small_001"]


def test_nothing_is_made_for_cases_that_all_fail(
    tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path, capsys: Captured
) -> None:
    for name in ("a", "b"):
        write_small_case(tmp_path / "cohort" / name, skip=("t2",))
    words = ["predict", str(tmp_path / "cohort"), "--model", str(tiny_model_folder), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert capsys.readouterr().out == "2 cases: 2 failed; no results\n"
    assert not (tmp_path / "out").exists()


def test_cases_that_are_none_at_all_are_counted_too_and_the_table_is_of_this_call(
    tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path, capsys: Captured
) -> None:
    for name in ("a", "b"):
        folder = write_small_case(tmp_path / "cohort" / name)
        shutil.copy(folder / f"{name}_t1.nii.gz", folder / f"{name}_again_t1.nii.gz")
    out = tmp_path / "out"
    words = ["predict", str(tmp_path / "cohort"), "--model", str(tiny_model_folder), "--out", str(out)]
    assert main(words) == 2
    assert capsys.readouterr().out == "2 cases: 2 failed; no results\n"
    out.mkdir()
    (out / "cohort.csv").write_text("case,status,lesion_volume_ml,lesions,of an earlier call")
    assert main(words) == 2
    assert capsys.readouterr().out == f"2 cases: 2 failed; no results, table {out / 'cohort.csv'}\n"
    assert [row["status"] for row in table(out)] == ["failed", "failed"]


def test_no_folder_is_told_of_cases_of_one_name_and_json_is_printed_where_all_are_refused(
    tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path, capsys: Captured
) -> None:
    twins = [write_small_case(tmp_path / site / "001") for site in ("MuellerHans", "b")]
    out = tmp_path / "out"
    out.mkdir()
    words = ["predict", *map(str, twins), "--model", str(tiny_model_folder), "--out", str(out), "--json"]
    assert main(words) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["cases"] == []
    assert [text.split(":")[0] for text in answer["failed"]] == [str(twin) for twin in twins]
    assert {row["remark"] for row in table(out)} == {
        "001: has the same name as 001; run them with different --out folders"
    }


@pytest.mark.parametrize("kind", ["another's", "a folder"])
def test_a_table_of_somebody_elses_is_refused_before_the_work(
    kind: str, cohort: Path, tiny_model_folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    (out / "cohort.csv" if kind == "a folder" else out).mkdir(parents=True)
    if kind == "another's":
        (out / "cohort.csv").write_text("case,status,notes\n")
    assert main(["predict", str(cohort), "--model", str(tiny_model_folder), "--out", str(out), *QUICK]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{out / 'cohort.csv'}: " in printed.err
    assert [entry.name for entry in out.iterdir()] == ["cohort.csv"]


def test_a_table_that_cannot_be_written_is_told_and_the_cases_are_counted_all_the_same(
    cohort: Path, tiny_model_folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("c", "d"):
        shutil.rmtree(cohort / name)
    out = tmp_path / "out"

    def full(path: Path, _text: str) -> None:
        raise ExportError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("napari_ddmd.cohort_table.write_text", full)
    assert main(["predict", str(cohort), "--model", str(tiny_model_folder), "--out", str(out), *QUICK]) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"2 cases: 2 done; results in {out}"
    assert f"{out / 'cohort.csv'}: " in printed.err


def test_folders_are_left_out_of_a_reason_and_names_are_not() -> None:
    def remark(text: str, *folders: str) -> str:
        return CohortRow.of_failed("x", text, *map(Path, folders)).remark

    assert remark("/data/checkout/checkout_t1.nii.gz: bad", "/data/checkout", "out") == "checkout_t1.nii.gz: bad"
    assert remark("/data/out/checkout/x: bad (see /data/y)", "/data") == "out/checkout/x: bad (see y)"
    assert remark("/x: bad", "/") == "x: bad"
    assert (
        remark("[Errno 13] Permission denied: '/data/x/t1.nii'", "/data") == "[Errno 13] Permission denied: 'x/t1.nii'"
    )
    told = "/data/HGG/001: has the same name as /data/LGG/001; run them apart"
    assert remark(told, "/data/HGG", "/data") == "001: has the same name as LGG/001; run them apart"


def test_a_summary_that_lacks_what_the_table_tells_costs_no_row(tmp_path: Path) -> None:
    odd = {"lesions": [3, {"volume_ml": "much"}], "slices": 4, "model": "compact", "warnings": None}
    rows = [CohortRow.of_done("b", DoneCase(odd, "")), CohortRow.of_done("a", DoneCase({}, "", kept=True))]
    path = write_cohort_table(tmp_path, rows)

    assert [(row["case"], row["lesions"], row["slices"]) for row in table(tmp_path)] == [("a", "", ""), ("b", "2", "")]
    assert cohort_line(rows, tmp_path, path) == f"2 cases: 1 done, 1 kept; results in {tmp_path}, table {path}"


def test_a_model_that_was_trained_on_a_patient_says_so_of_kept_results(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: Captured
) -> None:
    files, settings = find_case_files(small_case_folder), PredictSettings(slices=(3, 4), samples=1, steps=1)

    def done(bundle: Bundle) -> DoneCase:
        return do_case(files, bundle, tmp_path, settings, overwrite=False, update=False, report=False, place="1/1")

    done(tiny_bundle)
    capsys.readouterr()
    kept = done(replace(tiny_bundle, provenance={"training_cases": ["Small_001"]}))
    caution = "the model untrained 0 was trained on this patient; how well it does here says nothing of others"
    assert capsys.readouterr().err == f"napari-ddmd: warning: Small_001: {caution}\n"
    assert kept.kept
    assert CohortRow.of_done("Small_001", kept).warnings == caution


@pytest.mark.parametrize(
    ("slices", "told"), [((0, 4), "3 of 6 slices with brain in"), ((0, 1), "0 of 6 slices"), (None, ", 6 slices in")]
)
def test_slices_are_counted_of_those_that_hold_brain(
    slices: tuple[int, int] | None, told: str, small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    files, settings = find_case_files(small_case_folder), PredictSettings(slices=slices, samples=1, steps=1)
    done = do_case(files, tiny_bundle, tmp_path, settings, overwrite=False, update=False, report=False, place="1/1")
    assert told in done.line


def test_a_place_that_is_not_there_is_in_the_table_without_the_folders_above_it(
    tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("out", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = ["predict", "nobody", "deep/nowhere", "../../none", "--model", str(tiny_model_folder), "--out", "../out"]
    assert main(words) == 2
    assert {row["case"]: row["remark"] for row in table(tmp_path / "out")} == {
        name: f"{name}: no such file or folder; check the path" for name in ("nobody", "nowhere", "none")
    }


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one cannot be in a folder that is gone")
def test_a_case_given_from_a_folder_that_is_gone_is_named(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["predict", "x", "--out", str(tmp_path)]) == 2
    told = "x: cannot be opened (No such file or directory); check the path"
    assert capsys.readouterr().err == f"napari-ddmd: {told}\n"
