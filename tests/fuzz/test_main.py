"""The runner of the fuzzer: what it prints, and when it fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from fuzz.__main__ import Outcome, main, read_output, report_in, table
from fuzz.targets import TARGETS

PRINTED = """INFO: Running with entropic power schedule (0xFF, 100).
#2\tINITED cov: 3 ft: 3 corp: 1/1b exec/s: 0 rss: 90Mb
#4096\tpulse  cov: 410 ft: 502 corp: 40/9Kb lim: 4096 exec/s: 819 rss: 95Mb
#4547\tDONE   cov: 531 ft: 829 corp: 66/28Kb lim: 4096 exec/s: 181 rss: 97Mb
###### Recommended dictionary. ######
"\\000\\000" # Uses: 93
Done 4547 runs in 25 second(s)
"""
CRASHED = """#512\tpulse  cov: 14 ft: 15 corp: 2/2b lim: 8 exec/s: 256 rss: 95Mb
WARNING: Failed to find function "__sanitizer_print_stack_trace".

 === Uncaught Python exception: ===
ZeroDivisionError: division by zero
==1== ERROR: libFuzzer: fuzz target exited
"""


def test_the_figures_are_read_from_what_the_fuzzer_prints(tmp_path: Path) -> None:
    outcome = read_output("nifti", PRINTED, 0, tmp_path)
    assert outcome == Outcome("nifti", 4547, 531, 829, 66, None)
    assert table([outcome])[-1] == "| nifti    |       4547 |   531 |      829 |     66 |       0 |"


def test_a_crash_is_told_with_its_input(tmp_path: Path) -> None:
    (tmp_path / "crash-1").touch()
    outcome = read_output("bundle", CRASHED, 77, tmp_path)
    assert (outcome.executions, outcome.edges) == (512, 14)
    assert outcome.crash is not None
    assert "ZeroDivisionError" in outcome.crash
    assert "crash-1" in outcome.crash
    assert "sanitizer" not in report_in(CRASHED)
    assert table([outcome])[-1].endswith("|       1 |")


@pytest.mark.parametrize("crashes", [True, False])
def test_what_crashes_is_kept_with_the_corpus_that_led_to_it(
    crashes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fuzz_one(name: str, place: Path, **_settings: int) -> Outcome:
        found = place / "found"
        found.mkdir(parents=True)
        (place / "corpus").mkdir()
        (place / "corpus" / "seed-0").touch()
        if crashes:
            (found / "crash-1").touch()
        return read_output(name, CRASHED if crashes else PRINTED, int(crashes), found)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr("fuzz.__main__.fuzz", fuzz_one)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["nifti"]) == int(crashes)
    kept = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [path.name for path in kept] == (["seed-0", "crash-1"] if crashes else [])
    printed = capsys.readouterr().err
    assert all(str(path) in printed for path in kept if path.name == "crash-1")


@pytest.mark.parametrize(("status", "is_kept"), [(1, True), (0, False)])
def test_a_crash_without_an_input_is_kept_and_a_slow_input_is_none(
    status: int, is_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fuzz_one(name: str, place: Path, **_settings: int) -> Outcome:
        found = place / "found"
        found.mkdir(parents=True)
        if not status:
            (found / "slow-unit-1").touch()
        return read_output(name, PRINTED, status, found)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr("fuzz.__main__.fuzz", fuzz_one)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["nifti"]) == status
    assert any(tmp_path.iterdir()) is is_kept


def test_what_crashed_earlier_is_not_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bundle" / "found").mkdir(parents=True)
    (tmp_path / "bundle" / "found" / "crash-1").touch()

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr("fuzz.__main__.fuzz", lambda name, place, **_: read_output(name, PRINTED, 0, place))
    assert main(["nifti", "--keep", str(tmp_path)]) == 0
    assert "crashed" not in capsys.readouterr().err
    assert (tmp_path / "bundle" / "found" / "crash-1").exists()


def test_what_crashed_is_kept_whatever_ends_the_fuzzing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fuzz_one(name: str, place: Path, **_settings: int) -> Outcome:
        (place / "found").mkdir(parents=True)
        if name == "session":
            (place / "found" / "crash-1").touch()
            return read_output(name, CRASHED, 1, place / "found")
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr("fuzz.__main__.fuzz", fuzz_one)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        main(["session", "nifti"])
    assert [path.name for path in tmp_path.rglob("crash-*")] == ["crash-1"]
    assert str(tmp_path) in capsys.readouterr().err


def test_a_fuzzer_that_stops_before_it_is_done_is_a_crash(tmp_path: Path) -> None:
    assert read_output("session", PRINTED.partition("Done")[0], 0, tmp_path).crash is not None
    assert read_output("session", PRINTED, 1, tmp_path).crash is not None


def test_without_the_fuzzer_it_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["--seconds", "1"]) == 2
    capsys.readouterr()
    assert main(["--seconds", "1", "--where-it-can"]) == 0
    printed = capsys.readouterr()
    assert "pip install -e '.[fuzz]'" in printed.err
    rows = [[cell.strip() for cell in row.split("|")[1:3]] for row in printed.out.splitlines()[2:]]
    assert rows == [[target, "not tried"] for target in TARGETS]


@pytest.mark.torture
def test_without_the_fuzzer_the_table_of_faults_says_not_tried(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each target is a line of its own kind, so that it does not vanish among what was tried."""
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", str(pytester.path / "without"))
    (pytester.path / "without").mkdir()
    (pytester.path / "without" / "sitecustomize.py").write_text("import sys\nsys.modules['atheris'] = None\n")
    options = ("-p", "no:cacheprovider", "-n", "0", "-m", "torture", "-k", "nothing_crashes", "--rootdir", str(root))
    done = pytester.runpytest_subprocess(*options, "-c", str(root / "pyproject.toml"), str(Path(__file__)))
    done.stdout.fnmatch_lines([f"| Fuzzing |     0 |        0 |    0 | {len(TARGETS):9} |"])
    done.stdout.fnmatch_lines(["*pip install -e '.[[]fuzz]'*"])


def test_a_target_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["frob"])
    assert "no target 'frob'" in capsys.readouterr().err


@pytest.mark.torture
@pytest.mark.fault("Fuzzing")
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_crashes_in_some_seconds(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("atheris", reason="the fuzzer has wheels for Linux alone: pip install -e '.[fuzz]'")
    assert main([target, "--seconds", "5"]) == 0, capsys.readouterr().err
    row = capsys.readouterr().out.splitlines()[-1]
    executions, edges, *_, crashes = (int(cell) for cell in row.split("|")[2:-1])
    assert executions > 10
    assert edges > 50
    assert crashes == 0


@pytest.mark.torture
def test_what_a_target_raises_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, over a reader that is broken."""
    pytest.importorskip("atheris", reason="the fuzzer has wheels for Linux alone: pip install -e '.[fuzz]'")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        # nibabel, not the package: what is imported before the fuzzer has no coverage to guide it.
        "import nibabel\n"
        "right = nibabel.Nifti1Header.get_data_shape\n"
        "def shape(header):\n"
        "    if header['descrip'].item():\n        raise KeyError('descrip')\n"
        "    return right(header)\n"
        "nibabel.Nifti1Header.get_data_shape = shape\n"
    )
    from fuzz.__main__ import fuzz

    outcome = fuzz("nifti", tmp_path / "place", seconds=60)
    assert outcome.crash is not None
    assert "KeyError: 'descrip'" in outcome.crash
    assert "crash-" in outcome.crash
    assert sys.executable not in outcome.crash
