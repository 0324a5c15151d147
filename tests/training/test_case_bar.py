"""A bar for a person at a terminal; for a file, lines that are few."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from src_training import case_bar as module
from src_training.__main__ import main
from src_training.case_bar import case_bar

from .conftest import tiny_words

Captured = pytest.CaptureFixture[str]


def test_a_terminal_gets_a_bar(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with case_bar("abc", "prepare", 3) as bar:
        assert list(bar) == ["a", "b", "c"]
    said = capsys.readouterr().err
    assert "prepare: 100%|" in said
    assert "3/3" in said
    assert said.endswith("\n")


def test_a_file_gets_a_line_now_and_then(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    with case_bar("abcdefgh", "prepare", 8) as bar:
        assert list(bar) == list("abcdefgh")
    assert capsys.readouterr().err.splitlines() == ["prepare: 2/8 cases", "prepare: 5/8 cases"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_of_nothing_nothing_is_shown(is_terminal: bool, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with case_bar([], "prepare", 0) as bar:
        assert list(bar) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stage", ["prepare", "--dry-run"])
def test_no_bar_goes_into_a_pipe(stage: str, cohort: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main([stage, *tiny_words(cohort, tmp_path / "run")]) == 0
    assert capsys.readouterr().err == ""
