"""What is wrong with an option is told in one line."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout

import pytest

from src_training.options import parse_options
from src_training.recipe import Recipe, RecipeError


@pytest.fixture(autouse=True, params=["utf-8", "ascii"])
def _a_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=request.param))


def complaint(*words: str) -> str:
    with pytest.raises(RecipeError) as raised:
        parse_options(words, Recipe(), "about")
    text = str(raised.value)
    assert "--" * 3 not in text
    assert not set("│╭╮╰╯─\n") & set(text)
    return text


def test_options_change_what_holds_without_them() -> None:
    recipe = parse_options(["--diffusion.iterations", "7", "--seed", "3"], Recipe(name="mine"), "about")

    assert (recipe.diffusion.iterations, recipe.seed, recipe.name) == (7, 3, "mine")


def test_an_unknown_option_is_named_and_its_like_is_proposed() -> None:
    line = complaint("--sed", "3")

    assert line.startswith("Unrecognized options: --sed")
    assert "(perhaps --seed" in line
    assert line.endswith("; see python -m src_training --help")
    assert ".;" not in line


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--seed", "zero"), ("--seed", "zero")),
        (("--preset", "huge"), ("--preset", "huge", "compact", "paper", "small", "smoke")),
        (("--model.sampling.steps",), ("--model.sampling.steps",)),
        (("--diffusion.iterations", "1", "--slices.folds", "many"), ("--slices.folds", "many")),
    ],
)
def test_a_value_that_is_none_is_named(words: tuple[str, ...], named: tuple[str, ...]) -> None:
    line = complaint(*words)

    assert all(word in line for word in named), line


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_a_narrow_terminal_loses_no_word(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert "'compact', 'paper', 'small', 'smoke'" in complaint("--preset", "huge")


def test_help_is_printed_and_ends_the_process() -> None:
    told = io.StringIO()
    with redirect_stdout(told), pytest.raises(SystemExit) as ended:
        parse_options(["--help"], Recipe(), "what this is about")

    assert ended.value.code == 0
    assert "what this is about" in told.getvalue()
