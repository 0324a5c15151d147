"""What is left by a process that was killed while it looked whether it may write is found at the next start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_ddmd.cli import main
from napari_ddmd.cohort import DoneCase
from napari_ddmd.export import file_names
from napari_ddmd.model import Bundle
from napari_ddmd.whole_files import PREFIX

ROOT = Path(__file__).parents[1]
Captured = pytest.CaptureFixture[str]
CASE = "Small_001"

CODE = f"""
import sys
from pathlib import Path
from tests.killed import kill_everywhere
from napari_ddmd.whole_files import refuse_unwritable

def check(folder, version):
    (folder / sys.argv[2]).mkdir(parents=True, exist_ok=True)
    refuse_unwritable(folder / "results" / "out" / {CASE!r}, {file_names(CASE)!r})

kill_everywhere(check, Path(sys.argv[1]))
"""


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob(f"{PREFIX}*"))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("there", [".", "results", "results/out", f"results/out/{CASE}"])
def test_a_kill_while_it_is_tried_whether_results_can_be_written(
    there: str,
    small_case_folder: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda name: tiny_bundle)
    monkeypatch.setattr("napari_ddmd.cohort.do_case", lambda *_, **__: DoneCase({}, "done"))
    root = tmp_path / "killed"
    subprocess.run([sys.executable, "-c", CODE, str(root), there], cwd=ROOT, check=True, timeout=100)

    places, found = sorted(root.glob("*-*")), 0
    for place in places:
        left = left_in(place)
        assert main(["predict", str(small_case_folder), "--out", str(place / "results" / "out")]) == 0
        told = capsys.readouterr().err.splitlines()
        assert [line.split(":")[1] for line in told] == [f" {entry.parent}" for entry in left]
        assert left_in(place) == []
        found += bool(left)
    assert found >= 8
    record_property("faults", len(places))


@pytest.mark.fault("Output whole or absent")
def test_what_was_left_above_a_folder_that_was_made_since_is_found(
    small_case_folder: Path,
    tiny_bundle: Bundle,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda name: tiny_bundle)
    monkeypatch.setattr("napari_ddmd.cohort.do_case", lambda *_, **__: DoneCase({}, "done"))
    monkeypatch.setattr("napari_ddmd.demo.run_demo", _stop)
    (tmp_path / "out").mkdir()
    for words in (["predict", str(small_case_folder)], ["demo", "--headless"]):
        left = tmp_path / f"{PREFIX}killed"
        left.mkdir()
        (left / ".owner").touch()
        main([*words, "--out", str(tmp_path / "out")])
        assert "a save was cut off here" in capsys.readouterr().err
        assert not left.exists()


def _stop(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt
