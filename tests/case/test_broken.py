"""Every broken case ends in one line and status 2, or is read as the healthy one is."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.case import Case, CaseWarning, case_places, load_case
from napari_ddmd.cli import main
from napari_ddmd.model import Bundle
from tests.case.broken import CORPUS, Broken
from tests.case.broken.broken import write_healthy

REFUSED = [case for case in CORPUS if case.refused is not None]
READ = [case for case in CORPUS if case.refused is None]


def names(cases: list[Broken]) -> list[str]:
    """The names as identifiers of tests: letters alone, as some of a case's characters cannot be printed."""
    return [re.sub(r"[^\w.=,-]+", "-", case.name) for case in cases]


def in_halves(cases: list[Broken]) -> list[Any]:
    """Every other case is for `make torture`: the half of them takes as long as tests of one part may."""
    marks = ((), pytest.mark.torture)
    return [
        pytest.param(case, marks=marks[number % 2], id=name)
        for number, (case, name) in enumerate(zip(cases, names(cases), strict=True))
    ]


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return load_case(write_healthy(tmp_path_factory.mktemp("healthy")))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def one_line(printed: str) -> str:
    """The only line of what was printed; separators that are not ASCII, and could pass for an end, among them."""
    lines = printed.splitlines()
    assert len(lines) == 1, printed
    assert lines[0].startswith("napari-ddmd: ")
    return lines[0]


def without_place(warning: str) -> str:
    """What a warning says of the file or case that it begins with."""
    return warning.partition(": ")[2]


def test_the_corpus_is_large_and_no_case_is_in_it_twice() -> None:
    assert len(CORPUS) >= 1000
    assert len({case.name for case in CORPUS}) == len(CORPUS)
    assert len(REFUSED) > 400
    assert len(READ) > 100


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("broken", in_halves(REFUSED))
def test_a_broken_case_is_one_line_and_status_2(
    broken: Broken,
    place: Path,
    tmp_path: Path,
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda name: tiny_bundle)
    case = broken.write(place)

    assert main(["predict", str(case), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert broken.refused is not None
    assert re.search(broken.refused, one_line(printed.err)), printed.err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in"]


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("broken", in_halves(READ))
def test_a_case_that_can_be_read_is_read_right(broken: Broken, place: Path, healthy: Case) -> None:
    (folder,) = case_places(broken.write(place))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        case = load_case(folder)

    # In the files' own order: without an orientation in the header no other is known.
    np.testing.assert_array_equal(case.grid.to_source(case.images), healthy.grid.to_source(healthy.images))
    assert case.spacing == healthy.spacing
    if case.mask is not None:
        np.testing.assert_array_equal(case.grid.to_source(case.mask), healthy.grid.to_source(healthy.mask))
    if "orientation" not in (broken.warned or ""):
        assert case.grid == healthy.grid
    new = [warning for warning in case.warnings if without_place(warning) not in map(without_place, healthy.warnings)]
    if broken.warned is None:
        assert new == []
    else:
        assert [warning for warning in new if re.search(broken.warned, warning)], case.warnings
