"""What is told of a training: a line an interval in a file, a bar on a terminal, and no silence on a full disk."""

from __future__ import annotations

import errno
import io
import json
import sys
from pathlib import Path

import pytest

from src_training.journal import Journal
from src_training.recipe import RecipeError

VALUES = {"loss": 0.25, "learning_rate": 1e-3}
Captured = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_a_line_an_interval(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 104.0])
    with Journal(tmp_path, "ae_1", start=10, steps=7210) as journal:
        monkeypatch.setattr("src_training.journal.time.perf_counter", lambda: next(clock))
        journal._began = next(clock)
        for _ in range(8):
            journal.advance()
        journal.write(17, VALUES)

    assert capsys.readouterr().err == (
        "ae_1: step 18/7210  loss 0.2500  learning rate 1.00e-03  2.00 steps/s  0:59:56 left\n"
    )
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 17, **VALUES}


def test_a_terminal_gets_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Journal(tmp_path, "ae_1", start=0, steps=10) as journal:
        journal.write(0, VALUES)
        journal.advance()

    assert "1/10" in terminal.getvalue()
    assert "loss=0.2500" in terminal.getvalue()
    assert "learning rate" not in terminal.getvalue()


def test_lines_of_steps_that_are_taken_again_are_dropped(tmp_path: Path) -> None:
    torn = '{"step": 3}\n\0\0\0\n[]\n{"step": 7}\n{"step": 9}\n{"st'
    (tmp_path / "log.jsonl").write_text(torn)
    with Journal(tmp_path, "ae_1", start=8, steps=10):
        pass

    assert (tmp_path / "log.jsonl").read_text() == '{"step": 3}\n{"step": 7}\n'


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal(tmp_path, "ae_1", start=0, steps=10) as journal:
        monkeypatch.setattr(journal._board, "add_scalar", full)
        with pytest.raises(RecipeError, match=r"log\.jsonl: cannot be written \(No space left on device\); [^\n]*$"):
            journal.write(0, VALUES)


def test_the_first_fault_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def train_with(fault: Exception | None) -> None:
        with Journal(tmp_path, "ae_1", start=0, steps=10) as journal:
            monkeypatch.setattr(journal._board, "close", full)
            if fault is not None:
                raise fault

    with pytest.raises(ZeroDivisionError):
        train_with(ZeroDivisionError())
    with pytest.raises(RecipeError, match="No space left"):
        train_with(None)
