"""What the documents say must be so: links lead somewhere, commands parse, snippets run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from napari_ddmd.cli import build_parser
from napari_ddmd.model.library import DEFAULT_MODEL, PACKAGED
from src_training.__main__ import parse, read_stage

from .conftest import CaseWriter

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(language: str) -> list[str]:
    return [
        block
        for page in PAGES
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]


def commands(program: str) -> list[list[str]]:
    """Arguments of each call of a program in the documents' shell blocks."""
    lines = [shlex.split(line, comments=True) for block in blocks("bash") for line in block.splitlines()]
    words = program.split()
    return [line[len(words) :] for line in lines if line[: len(words)] == words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("arguments", commands("napari-ddmd"), ids=" ".join)
def test_commands_are_understood(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        return
    assert build_parser().parse_args(arguments).run


@pytest.mark.parametrize("arguments", commands("python -m src_training"), ids=" ".join)
def test_training_commands_are_understood(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "run" / "synthetic" / "final" / "bundle"  # which another command of that page leaves
    model.parent.mkdir(parents=True)
    model.symlink_to(PACKAGED / DEFAULT_MODEL)
    _, _, options = read_stage(arguments)

    assert parse(options).data in (Path("brats"), Path("cohort"), Path("data"), Path("smoke-cases"))


def test_promises_name_tests_that_exist() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    promised = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)

    assert len(promised) > 50
    gone = [f"{file}::{test}" for file, test in promised if f"def {test}(" not in (ROOT / file).read_text("utf-8")]
    assert gone == []


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {word for arguments in commands("make") for word in arguments if word.isalpha()}

    assert named >= {"demo", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


def test_python_snippets_run(
    tmp_path: Path,
    write_small_case: CaseWriter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_small_case(tmp_path / "synthetic")
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks("python")
    exec(compile(snippet, "README.md", "exec"), {})

    assert len(capsys.readouterr().out.splitlines()) == 6
