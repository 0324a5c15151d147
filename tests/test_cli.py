from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import napari_ddmd
from napari_ddmd import case_sampler, predict_command, whole_files
from napari_ddmd import predict as predict_module
from napari_ddmd.case import load_case
from napari_ddmd.cli import main
from napari_ddmd.model import Bundle
from napari_ddmd.model.samplers import SAMPLERS
from napari_ddmd.new_folder import new_folder
from napari_ddmd.wording import millilitres

from .conftest import CaseWriter
from .results import correct_mask

QUICK = ["--samples", "1", "--steps", "1", "--slices", "3:5"]
Captured = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("taken_for_a_brain")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def predict(case: Path, model: Path, out: Path, *more: str) -> int:
    return main(["predict", str(case), "--model", str(model), "--out", str(out), *QUICK, *more])


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert text.startswith("napari-ddmd")
    return text


def test_a_mistyped_option_points_to_the_help_of_its_command(
    small_case_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(small_case_folder), "--out", "x", "--sampls", "3"]) == 2
    line = one_line(capsys.readouterr().err)
    assert line == (
        "napari-ddmd predict: unrecognized arguments: --sampls 3; did you mean --samples? "
        "See napari-ddmd predict --help\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "x", "--ouput", "y"], "arguments are required: --out; --ouput: did you mean --out? See"),
        (["predict", "x", "--outt", "y"], "arguments are required: --out; --outt: did you mean --out? See"),
        (["predict", "x", "--out", "y", "--sampels=3"], "--sampels=3; did you mean --samples? See"),
        (["demo", "--headles"], "unrecognized arguments: --headles; did you mean --headless? See"),
        (["--verson"], "--verson: did you mean --version? See napari-ddmd --help"),
        (["predct", "x", "--out", "y", "--overwrite"], "invalid choice: 'predct'"),
        (["predict", "x", "--out", "y", "--headless"], "unrecognized arguments: --headless; see"),
        (["import-dicom", "x", "y", "--verson"], "unrecognized arguments: --verson; see"),
        (["predict", "x", "--out", "y", "--frobnicate"], "unrecognized arguments: --frobnicate; see"),
        (["predict", "x", "--out", "y", "--steps", "0"], "'0' is not a whole number from 1; see"),
        (["predict", "--out", "y", "--", "--ouput"], "--ouput: no such file or folder; check the path"),
    ],
)
def test_a_mistyped_option_is_told_the_near_one(
    words: list[str], told: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert told in one_line(capsys.readouterr().err)


def test_the_samplers_are_those_of_the_model() -> None:
    assert predict_command._SAMPLERS == SAMPLERS


@pytest.mark.parametrize("option", ["--overwrit", "--up", "--sample"])
def test_half_an_option_is_none(
    option: str, small_case_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(small_case_folder), "--out", str(tmp_path / "out"), option]) == 2
    assert f"unrecognized arguments: {option};" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_help_comes_without_torch_and_without_qt() -> None:
    code = (
        "import sys\nfrom napari_ddmd.cli import main\nstatus = main(['predict', '--help'])\n"
        "heavy = {'torch', 'napari', 'qtpy', 'matplotlib'} & {m.split('.')[0] for m in sys.modules}\n"
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for option in (
        "--out",
        "--model",
        "--slices",
        "--samples",
        "--steps",
        "--sampler",
        "--seed",
        "--threshold",
        "--report",
    ):
        assert option in done.stdout


@pytest.mark.parametrize("program", [["-m", "napari_ddmd"], ["-c", "from napari_ddmd.cli import main; exit(main())"]])
def test_bad_input_is_one_line_and_status_2(program: list[str], tmp_path: Path) -> None:
    arguments = ["predict", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, *program, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "nowhere: no such file or folder" in one_line(done.stderr)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["frobnicate"], "invalid choice"),
        (["predict", "case"], "--out"),
        (["predict", "case", "--out", "x", "--slices", "7"], "'7' is not A:B"),
        (["predict", "case", "--out", "x", "--slices", "a:b"], "'a:b' is not A:B"),
        (["predict", "case", "--out", "x", "--slices", "70:60"], "'70:60' holds no slice"),
        (["predict", "case", "--out", "x", "--samples", "0"], "'0' is not a whole number from 1"),
        (["predict", "case", "--out", "x", "--steps", "two"], "'two' is not a whole number from 1"),
        (["predict", "case", "--out", "x", "--threshold", "1"], r"'1' is not a number from 0 to below 1"),
        (["predict", "case", "--out", "x", "--threshold", "high"], r"'high' is not a number from 0 to below 1"),
        (["predict", "case", "--out", "x", "--device", "tpu"], "invalid choice: 'tpu'"),
        (["predict", "case", "--out", "x", "--seed", "-1"], "'-1' is not a whole number from 0"),
        (["predict", "", "--out", "x"], "an empty path; give one"),
        (["predict", "case", "--out", ""], "an empty path; give one"),
        (["sample-case", ""], "an empty path; give one"),
        (["import-dicom", ""], "an empty path; give one"),
        (["view", ""], "an empty path; give one"),
        (["predict", "case", "--out", "x", "--sampler", "foo"], "invalid choice: 'foo' (choose from"),
        (["sample-case", "x", "--seed", "-1"], "'-1' is not a whole number from 0"),
        (["sample-case", "x", "--seed", "1.5"], "'1.5' is not a whole number from 0"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(capsys: Captured, arguments: list[str], message: str) -> None:
    assert main(arguments) == 2
    assert message in one_line(capsys.readouterr().err)


def test_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"napari-ddmd {napari_ddmd.__version__}\n"


def test_predict_saves_and_tells(small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured) -> None:
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    printed = capsys.readouterr()
    summary = json.loads((out / "Small_001" / "summary.json").read_text())

    assert printed.out.startswith(f"Small_001: {millilitres(summary['lesion_volume_ml'])} mL in ")
    assert "2 of 6 slices" in printed.out
    assert str(out / "Small_001") in printed.out
    assert printed.err == ""
    assert len(list((out / "Small_001").iterdir())) == 6


def test_a_report_comes_when_it_is_asked_for(small_case_folder: Path, tiny_model_folder: Path, out: Path) -> None:
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    assert not list(out.rglob("*.html"))
    assert predict(small_case_folder, tiny_model_folder, out, "--report", "--overwrite") == 0
    assert [file.name for file in out.rglob("*.html")] == ["Small_001_report.html"]


def test_a_report_that_goes_with_the_results_that_it_told_of_is_told(
    small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    for again in ([], ["--overwrite"]):
        assert predict(small_case_folder, tiny_model_folder, out, "--report", *again) == 0
    assert capsys.readouterr().err == ""
    assert predict(small_case_folder, tiny_model_folder, out, "--overwrite") == 0
    assert one_line(capsys.readouterr().err) == (
        "napari-ddmd: warning: Small_001: Small_001_report.html and Small_001_lesions.csv of the earlier results are "
        "removed; --report writes new ones\n"
    )
    assert not list(out.rglob("*.html"))


def test_json_is_the_summary_alone(
    small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    assert predict(small_case_folder, tiny_model_folder, out, "--json", "--seed", "11", "--threshold", "0.25") == 0
    printed = json.loads(capsys.readouterr().out)

    assert printed == json.loads((out / "Small_001" / "summary.json").read_text())
    assert printed["settings"]["seed"] == 11
    assert printed["settings"]["threshold"] == 0.25
    assert printed["slices"]["numbers"] == [3, 4]


def test_results_are_not_overwritten_unless_told(
    small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    capsys.readouterr()
    assert predict(small_case_folder, tiny_model_folder, out, "--json", "--seed", "1") == 2
    refusal = capsys.readouterr()
    assert "Small_001_mask.nii.gz: exists already, made with other settings (seed); choose" in one_line(refusal.err)
    assert refusal.out == ""
    assert predict(small_case_folder, tiny_model_folder, out, "--overwrite", "--seed", "1") == 0


def test_what_is_done_is_kept_and_only_what_was_made_otherwise_is_updated(
    small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    folder = out / "Small_001"
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    before = (folder / "summary.json").stat().st_ino
    capsys.readouterr()
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    assert capsys.readouterr().out == f"Small_001: is done, and kept as it is in {folder}\n"
    assert predict(small_case_folder, tiny_model_folder, out, "--json", "--update") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "summary.json").read_text())
    assert (folder / "summary.json").stat().st_ino == before

    assert predict(small_case_folder, tiny_model_folder, out, "--seed", "1", "--update") == 0
    assert json.loads((folder / "summary.json").read_text())["settings"]["seed"] == 1
    before = (folder / "summary.json").stat().st_ino
    assert predict(small_case_folder, tiny_model_folder, out, "--seed", "1", "--overwrite") == 0
    assert (folder / "summary.json").stat().st_ino != before
    capsys.readouterr()
    assert predict(small_case_folder, tiny_model_folder, out, "--update", "--overwrite") == 2
    assert "not allowed with" in one_line(capsys.readouterr().err)


@pytest.mark.fault("Output whole or absent")
def test_a_corrected_mask_is_replaced_only_when_all_are(
    small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    folder = out / "Small_001"
    mask = folder / "Small_001_mask.nii.gz"
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    correct_mask(mask)
    corrected = mask.read_bytes()
    capsys.readouterr()
    assert predict(small_case_folder, tiny_model_folder, out) == 0
    assert capsys.readouterr().out.endswith(f"kept as it is in {folder}; changed since: {mask.name}\n")
    assert predict(small_case_folder, tiny_model_folder, out, "--seed", "1", "--update") == 2
    refusal = one_line(capsys.readouterr().err)
    assert f"made with other settings (seed), and {mask.name} changed since; choose another" in refusal
    assert mask.read_bytes() == corrected
    assert predict(small_case_folder, tiny_model_folder, out, "--seed", "1", "--overwrite") == 0
    assert mask.read_bytes() != corrected


def test_one_case_at_fault_does_not_lose_the_others(
    tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    cohort = tmp_path / "cohort"
    write_small_case(cohort / "a")
    write_small_case(cohort / "b", skip=("t2",))
    cut = write_small_case(cohort / "c") / "c_flair.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-200])
    shutil.copy(write_small_case(cohort / "d") / "d_t1.nii.gz", cohort / "d" / "twin_t1.nii.gz")
    write_small_case(cohort / "e")

    assert predict(cohort, tiny_model_folder, out, "--json") == 2
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert [summary["case"] for summary in answer["cases"]] == ["a", "e"]
    assert sorted(entry.name for entry in out.iterdir()) == ["a", "cohort.csv", "e"]
    *lines, last = printed.err.splitlines()
    assert last == f"5 cases: 2 done, 3 failed; results in {out}, table {out / 'cohort.csv'}"
    assert len(lines) == len(answer["failed"]) == 3
    for fault in (cohort / "d", cohort / "b", cut):
        assert any(f"{fault}:" in line for line in lines), fault


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (MemoryError("Unable to allocate 3.5 GiB"), 2, "a: the memory does not suffice (Unable to allocate 3.5 GiB)"),
        (KeyError("a defect"), 1, "KeyError: 'a defect'"),
    ],
)
def test_no_memory_and_no_defect_costs_the_cases_after_it(
    tmp_path: Path,
    write_small_case: CaseWriter,
    tiny_model_folder: Path,
    out: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    status: int,
    told: str,
) -> None:
    for name in ("a", "b"):
        write_small_case(tmp_path / "cohort" / name)
    save = predict_module.save_prediction

    def fail_once(*arguments: Any, **more: Any) -> Path:
        monkeypatch.setattr(predict_module, "save_prediction", save)
        raise fault

    monkeypatch.setattr(predict_module, "save_prediction", fail_once)
    assert predict(tmp_path / "cohort", tiny_model_folder, out) == status
    assert told in capsys.readouterr().err
    assert sorted(entry.name for entry in out.iterdir()) == ["b", "cohort.csv"]


def test_cases_of_one_name_and_unnamed_images_do_not_lose_the_others(
    tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    cohort = tmp_path / "cohort"
    twins = [write_small_case(cohort / site / "001") for site in ("leeds", "york")]
    write_small_case(cohort / "002")
    scan = cohort / "odd" / "scan.nii.gz"
    scan.parent.mkdir()
    shutil.copy(twins[0] / "001_t1.nii.gz", scan)

    assert predict(cohort, tiny_model_folder, out) == 2
    assert sorted(entry.name for entry in out.iterdir()) == ["002", "cohort.csv"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [str(place) for place in (scan, *twins)]


def test_a_case_without_one_modality_is_taken_where_that_is_asked_for(
    write_small_case: CaseWriter, tiny_model_folder: Path, tmp_path: Path, out: Path, capsys: Captured
) -> None:
    folder = write_small_case(tmp_path / "Small_007", skip=("t2",))

    assert predict(folder, tiny_model_folder, out) == 2
    said = one_line(capsys.readouterr().err)
    assert "no image for t2; add it" in said
    assert "--allow-missing` goes on without it" in said
    assert predict(folder, tiny_model_folder, out, "--allow-missing") == 0
    assert "Small_007: has no t2" in capsys.readouterr().err
    assert (out / "Small_007" / "Small_007_mask.nii.gz").exists()


def test_a_missing_model_is_named(small_case_folder: Path, out: Path, capsys: Captured) -> None:
    assert predict(small_case_folder, Path("no-such-model"), out) == 2
    assert "no-such-model: no such model" in one_line(capsys.readouterr().err)


def test_settings_that_do_not_fit_the_case(
    small_case_folder: Path, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    assert predict(small_case_folder, tiny_model_folder, out, "--slices", "4:99") == 2
    assert "Small_001: " in one_line(capsys.readouterr().err)
    assert not out.exists()


def test_ctrl_c_leaves_nothing_half_written(
    small_case_folder: Path,
    tiny_model_folder: Path,
    out: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(image: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_ddmd.export.write_nifti", interrupted)

    assert predict(small_case_folder, tiny_model_folder, out) == 130
    assert "interrupted" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_run_that_fails_is_one_line(
    small_case_folder: Path,
    tiny_model_folder: Path,
    out: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def out_of_memory(*arguments: object, **options: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(case_sampler, "discrepancy_maps", out_of_memory)

    assert predict(small_case_folder, tiny_model_folder, out) == 2
    assert "Small_001: not enough memory" in one_line(capsys.readouterr().err)


def test_models_are_listed_with_their_cards(
    tiny_model_folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tiny_model_folder.parent))

    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "tiny  version 0, variant full" in printed
    assert "Random weights." in printed


def test_a_damaged_model_does_not_hide_the_others(
    tiny_model_folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model_folder, tmp_path / "good")
    shutil.copytree(tiny_model_folder, tmp_path / "bad")
    (tmp_path / "bad" / "model.json").write_text("{")
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tmp_path))

    assert main(["models"]) == 2
    printed = capsys.readouterr()
    assert "good  version 0" in printed.out
    assert "is not JSON" in one_line(printed.err)


def test_sample_case_is_asked_for_with_its_seed(
    tmp_path: Path, write_small_case: CaseWriter, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def write(folder: Path, seed: int) -> Path:
        seeds.append(seed)
        return write_small_case(folder)

    monkeypatch.setattr("napari_ddmd.synthetic.write_case", write)

    assert main(["sample-case", str(tmp_path / "new"), "--seed", "4"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'new'}\n"
    assert main(["sample-case", str(tmp_path / "other"), "--seed", "0"]) == 0
    assert seeds == [4, 0]


@pytest.mark.parametrize(
    "place",
    [
        ".",
        pytest.param("link", marks=pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")),
    ],
)
def test_sample_case_fills_the_folder_that_one_is_in(
    place: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if place == "link":
        place = str(tmp_path / "link")
        Path(place).symlink_to(tmp_path / "here")

    def write(folder: Path, seed: int) -> Path:
        with new_folder(folder) as (fresh, target):
            (fresh / f"{seed}").touch()
        return target

    monkeypatch.setattr("napari_ddmd.synthetic.write_case", write)
    assert main(["sample-case", place, "--seed", "4"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'here'}\n"
    assert [entry.name for entry in Path().iterdir()] == ["4"]


@pytest.mark.parametrize("is_there", [True, False])
def test_sample_case_wants_to_write_into_its_folder_or_beside_it(
    is_there: bool, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "closed" / "mine"
    (place if is_there else place.parent).mkdir(parents=True)
    workplace = whole_files.workplace

    def closed(folder: Path) -> AbstractContextManager[Path]:
        if folder == (place if is_there else place.parent):
            raise PermissionError(errno.EACCES, "Permission denied")
        return workplace(folder)

    monkeypatch.setattr(whole_files, "workplace", closed)
    monkeypatch.setattr("napari_ddmd.synthetic.write_case", None)
    assert main(["sample-case", str(place)]) == 2
    assert f"{place}: cannot be written (Permission denied)" in one_line(capsys.readouterr().err)


def test_sample_case_does_not_write_into_a_folder_in_use(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    assert main(["sample-case", str(tmp_path)]) == 2
    assert str(tmp_path) in one_line(capsys.readouterr().err)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("why", ["no display", "headless"])
def test_demo_without_a_window_leaves_files_and_a_picture(
    why: str,
    out: Path,
    write_small_case: CaseWriter,
    tiny_bundle: Bundle,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_ddmd.synthetic.write_case", write_small_case)
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda: tiny_bundle)
    monkeypatch.setattr("napari_ddmd.display.window_problem", lambda: "no display" if why == "no display" else None)
    arguments = ["demo", "--out", str(out), *(["--headless"] if why == "headless" else [])]

    assert main(arguments) == 0
    assert f"picture: {out / 'overview.png'}" in capsys.readouterr().out
    assert (out / "overview.png").read_bytes().startswith(b"\x89PNG")
    assert load_case(out / "sample-case").mask is not None
    assert json.loads((out / "results" / "sample-case" / "summary.json").read_text())["settings"]["samples"] == 5

    # A second call uses the case again and renews the results.
    assert main(arguments) == 0


def test_a_demo_replaces_no_picture_of_somebody_elses(out: Path, capsys: Captured) -> None:
    out.mkdir()
    (out / "overview.png").write_bytes(b"mine")
    (out / "sample-case").mkdir()
    (out / ".saving-mine").mkdir()
    (out / ".saving-mine" / "notes.txt").write_text("mine")
    os.utime(out / ".saving-mine", times=(0, 0))
    assert main(["demo", "--headless", "--out", str(out)]) == 2
    assert "overview.png: is there already, without a demonstration's results" in one_line(capsys.readouterr().err)
    assert (out / "overview.png").read_bytes() == b"mine"
    assert (out / ".saving-mine" / "notes.txt").exists()


def test_a_demo_says_in_one_line_where_it_cannot_write(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.synthetic.write_case", None)
    file = tmp_path / "words.txt"
    file.touch()
    assert main(["demo", "--headless", "--out", str(file)]) == 2
    assert f"{file / 'sample-case'}: cannot be written (Not a directory)" in one_line(capsys.readouterr().err)


def test_view_wants_a_case_that_is_there_and_a_display(
    small_case_folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_ddmd.display.window_problem", lambda: "there is no display")

    assert main(["view", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such file" in one_line(capsys.readouterr().err)
    assert main(["view", str(small_case_folder)]) == 2
    assert "no window can be opened here: there is no display" in one_line(capsys.readouterr().err)


def test_windows_are_opened_where_they_can_be(small_case_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path | str | None] = []
    monkeypatch.setattr("napari_ddmd.display.window_problem", lambda: None)
    monkeypatch.setattr("napari_ddmd.viewer.launch.demo_window", lambda: opened.append("demo"))
    monkeypatch.setattr("napari_ddmd.viewer.launch.view_window", opened.append)

    assert [main(arguments) for arguments in (["demo"], ["view"], ["view", str(small_case_folder)])] == [0, 0, 0]
    assert opened == ["demo", None, small_case_folder]


def test_settings_that_no_case_can_be_run_with_are_told_once_and_before_any_is_read(
    tmp_path: Path, write_small_case: CaseWriter, tiny_model_folder: Path, out: Path, capsys: Captured
) -> None:
    for name in ("a", "b"):
        (write_small_case(tmp_path / "cohort" / name) / f"{name}_t1.nii.gz").write_bytes(b"no image")
    words = ["predict", str(tmp_path / "cohort"), "--out", str(out), "--model", str(tiny_model_folder)]
    assert main([*words, "--steps", "1001"]) == 2

    assert capsys.readouterr().err.splitlines() == ["napari-ddmd: steps must be 1 to 1000, not 1001"]
    assert not out.exists()
