"""The options of the command line, every one a field of the recipe; what is wrong with one is told in one line."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr

import tyro

from src_training.recipe import Recipe, RecipeError

_PROGRAM = "python -m src_training"


def parse_options(words: Sequence[str], base: Recipe, about: str) -> Recipe:
    """A recipe changed by the options given; with ``--help``, the options are printed and the process ends.

    Parameters
    ----------
    words
        The options and their values.
    base
        What holds where no option says otherwise.
    about
        What ``--help`` begins with.

    Raises
    ------
    RecipeError
        If there is no such option, or a value is none of its kind.
    """
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            recipe: Recipe = tyro.cli(Recipe, args=list(words), default=base, prog=_PROGRAM, description=about)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise RecipeError(f"{_in_one_line(told.getvalue())}; see {_PROGRAM} --help") from None
    return recipe


def _in_one_line(box: str) -> str:
    """The first part of what the parser draws a box about, and the names of the options that it proposes.

    Where the terminal has no letters to draw with, the parts stand below their title and lines of hyphens.
    """
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        text = line.strip("│╭╮╰╯ ")
        if text and not text.strip("─-"):
            parts.append([])
        elif text and not text.startswith("─"):
            parts[-1].append(text)
    if not box.lstrip().startswith("╭"):
        del parts[0]
    problem = " ".join(" ".join(parts[0]).split()).removesuffix(".")
    proposed = [name for part in parts[1:] if part and part[0].startswith("Perhaps") for name in _names(part)]
    return problem + (f" (perhaps {' or '.join(proposed)})" if proposed else "")


def _names(lines: Sequence[str]) -> list[str]:
    return [found.group() for line in lines if (found := re.match(r"--\S+", line))]
