"""The whole corpus through the command line, each case in a process that is held to 10 s and 4 GB."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.case.broken import CORPUS, Broken
from tests.case.broken.broken import KINDS, NAME, nifti, packed, write_healthy
from tests.case.test_broken import READ, REFUSED, names
from tests.case.test_broken_torture import BOMBS, CROWDS, ten_thousand
from tests.limited import MOST_BYTES, MOST_SECONDS, Ended, Limited

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork and the limits of POSIX")

QUICK = ("--samples", "1", "--steps", "1", "--device", "cpu")
_REMARK = r"napari-ddmd: warning: |[^:]* \(1/1\): \d+%"
# Results cannot be named after it, although it can be read.
_TOO_LONG = "a name at the limit"
Probability = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Iterator[Limited]:
    place = tmp_path_factory.mktemp("healthy")
    first = ("predict", write_healthy(place), "--model", tiny_model_folder, "--out", place / "out", *QUICK)
    with Limited([str(word) for word in first]) as server:
        yield server


@pytest.fixture(scope="module")
def right(limited: Limited, tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Probability:
    place = tmp_path_factory.mktemp("right")
    ended = predict(limited, write_healthy(place), tiny_model_folder, place / "out")
    assert ended.status == 0, ended.err
    return whole_results(place / "out")


def predict(limited: Limited, case: Path, model: Path, out: Path) -> Ended:
    """Run the command; it has neither hung, nor taken too much memory, nor died of anything."""
    ended = limited.run("predict", case, "--model", model, "--out", out, *QUICK)
    assert ended.status is not None, f"no end within {MOST_SECONDS:.0f} s: {ended.err}"
    assert ended.peak < MOST_BYTES
    assert ended.status in (0, 2), ended
    assert "Traceback" not in ended.err
    return ended


def refused_in_one_line(ended: Ended, pattern: str, place: Path) -> None:
    assert (ended.status, ended.out) == (2, "")
    said = [line for line in ended.err.split("\n")[:-1] if not re.match(_REMARK, line)]
    assert len(said) == 1, ended.err
    assert re.match("napari-ddmd: ", said[0])
    assert re.search(pattern, said[0]), said[0]
    assert not [path for path in place.rglob("*") if path.is_file()], "something is left of results"


def whole_results(out: Path) -> Probability:
    """The probability; all files that the summary names are there and whole, and no other."""
    (summary,) = out.rglob("summary.json")
    listed = json.loads(summary.read_text(encoding="utf-8"))["files"]
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == sorted([*listed, summary.name])
    for name in listed:
        assert np.isfinite(np.asarray(nibabel.load(summary.parent / name).dataobj)).all()
    (file,) = (name for name in listed if name.endswith("_probability.nii.gz"))
    return np.asarray(nibabel.load(summary.parent / file).dataobj)


def check(broken: Broken, limited: Limited, model: Path, folder: Path, right: Probability) -> None:
    place, out = folder / "in", folder / "out"
    place.mkdir()
    ended = predict(limited, broken.write(place), model, out)
    if broken.refused is not None or broken.name == _TOO_LONG:
        refused_in_one_line(ended, broken.refused or "File name too long", out)
        return
    assert ended.status == 0, ended.err
    assert len(ended.out.splitlines()) == 1
    assert all(re.match(_REMARK, line) for line in ended.err.splitlines()), ended.err
    if broken.warned is not None:
        assert re.search(broken.warned, ended.err)
    found = whole_results(out)
    assert found.shape == right.shape
    if "orientation" not in (broken.warned or ""):  # without it, slices are what the file calls so
        np.testing.assert_array_equal(found, right)


# What libraries remark by themselves, as of NIfTI-2, shows only here.
SAMPLE = [*REFUSED[::120], *READ[::60], next(case for case in READ if "NIfTI-2" in case.name)]


@pytest.mark.fault("Bad input", count=len(SAMPLE) + 1)
def test_a_sample_of_the_corpus_keeps_the_limits(
    limited: Limited, tiny_model_folder: Path, tmp_path: Path, right: Probability
) -> None:
    for number, broken in enumerate(SAMPLE):
        (tmp_path / str(number)).mkdir()
        check(broken, limited, tiny_model_folder, tmp_path / str(number), right)
    case = write_healthy(tmp_path, but=("t2",))
    bomb = packed(nifti("t2")) + packed(bytes(2**20)) * 1000
    (case / f"{NAME}_t2.nii.gz").write_bytes(bomb)
    ended = predict(limited, case, tiny_model_folder, tmp_path / "out")
    refused_in_one_line(ended, "holds far more data than its header promises", tmp_path / "out")


@pytest.mark.torture
@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("broken", CORPUS, ids=names(list(CORPUS)))
def test_a_broken_case_keeps_the_limits(
    broken: Broken, limited: Limited, tiny_model_folder: Path, tmp_path: Path, right: Probability
) -> None:
    check(broken, limited, tiny_model_folder, tmp_path, right)


@pytest.mark.torture
@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_keeps_the_limits(bomb: str, limited: Limited, tiny_model_folder: Path, tmp_path: Path) -> None:
    ending, make = BOMBS[bomb]
    kind = KINDS[list(BOMBS).index(bomb) % len(KINDS)]
    case = write_healthy(tmp_path, but=(kind,))
    make(case / f"{NAME}_{kind}{ending}")
    ended = predict(limited, case, tiny_model_folder, tmp_path / "out")
    refused_in_one_line(ended, rf"_{kind}{re.escape(ending)}: ", tmp_path / "out")


@pytest.mark.torture
@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_keeps_the_limits(crowd: str, limited: Limited, tiny_model_folder: Path, tmp_path: Path) -> None:
    write, says = CROWDS[crowd]
    ended = predict(limited, ten_thousand(tmp_path, write), tiny_model_folder, tmp_path / "out")
    refused_in_one_line(ended, says, tmp_path / "out")


@pytest.mark.torture
def test_what_takes_too_long_or_too_much_is_noticed(limited: Limited) -> None:
    """The limits themselves."""
    assert limited.run("-c", "print('soon')").out == "soon\n"
    late = limited.run("-c", "import time; time.sleep(60)")
    assert late.status is None
    assert MOST_SECONDS < late.seconds < MOST_SECONDS + 5
    large = limited.run("-c", f"bytearray({MOST_BYTES})")
    assert large.status == 1
    assert "MemoryError" in large.err
    touched = limited.run("-c", f"b'x' * {MOST_BYTES // 8}")
    assert touched.status == 0
    assert touched.peak > MOST_BYTES // 8
    killed = limited.run("-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert killed.status == -11
