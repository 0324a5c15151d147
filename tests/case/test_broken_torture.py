"""Bombs, crowds and whole processes: what takes long to make or to survive."""

from __future__ import annotations

import gzip
import os
import re
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.cli import main
from tests.case.broken import CORPUS, Broken
from tests.case.broken.broken import KINDS, LPS, NAME, nifti, packed, write_healthy
from tests.case.test_broken import READ, REFUSED, names

pytestmark = pytest.mark.torture

MOST_BYTES, MOST_SECONDS = 4 * 2**30, 10
"""Memory of a process, and its seconds on the processor: more, and the system ends it."""
_QUICK = ("--samples", "1", "--steps", "1", "--device", "cpu")
_REMARK = rf"napari-ddmd: warning: |{NAME} \(1/1\): \d+%"
"""How far a run is stands there, too, where it takes more than some seconds."""
_LOAD = """
import sys, warnings
warnings.simplefilter("error")
from napari_ddmd.case import CaseError, load_case
try:
    print(load_case(sys.argv[1]).images.shape)
except CaseError as error:
    sys.exit(f"napari-ddmd: {error}")
"""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def load_within_limits(case: Path) -> subprocess.CompletedProcess[str]:
    """Load a case in a process that may take neither much memory nor long."""
    return subprocess.run(
        [sys.executable, "-c", _LOAD, str(case)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        preexec_fn=_limit,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def zeros_packed(gigabytes: int) -> bytes:
    """A stream that inflates to gigabytes of zeros: the same hundred megabytes again and again."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    once = packer.compress(bytes(100 * 2**20)) + packer.flush()
    return once * (10 * gigabytes)


def sparse(header: bytes, size: int) -> Callable[[Path], None]:
    """A file that is long and takes no room on the disk."""

    def write(path: Path) -> None:
        path.write_bytes(header)
        os.truncate(path, size)

    return write


def promising(*lengths: int, **fields: object) -> bytes:
    """The start of a file, whose header promises an image of these lengths."""
    dims = {"dim": (3, *lengths, 1, 1, 1, 1)}
    return nifti("t1", fields={**dims, **fields}, version=1)[:352]


def _squeezed(content: bytes) -> bytes:
    """Gzip in little time."""
    return gzip.compress(content, 1, mtime=0)


def _bytes(make: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(make())


BOMBS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "10 GB behind a small image": (".nii.gz", _bytes(lambda: packed(nifti("t1")) + zeros_packed(10))),
    "10 GB in one stream behind a small image": (".nii.gz", _bytes(lambda: _one_stream(nifti("t1"), 10))),
    "10 GB before any header": (".nii.gz", _bytes(lambda: zeros_packed(10))),
    "a header of 10^12 voxels and their 2 TB": (".nii", sparse(promising(10_000, 10_000, 10_000), 352 + 2 * 10**12)),
    "a header of 32767^3 voxels": (".nii", _bytes(lambda: promising(32767, 32767, 32767))),
    "2 TB behind a small image": (".nii", sparse(nifti("t1"), 2 * 10**12)),
    "2 TB of nothing": (".nii", sparse(b"", 2 * 10**12)),
    "2 TB of nothing, named as packed": (".nii.gz", sparse(b"\x1f\x8b\x08", 2 * 10**12)),
    "voxels that begin at 256 MB": (
        ".nii.gz",
        _bytes(lambda: _squeezed(promising(6, 7, 5, vox_offset=2**28) + bytes(2**28))),
    ),
    "a name of 200 MB in the stream's header": (
        ".nii.gz",
        _bytes(lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (200 * 2**20)),
    ),
    "a million empty streams": (".nii.gz", _bytes(lambda: packed(b"") * 10**6 + packed(nifti("t1")))),
    "a million empty streams behind a header": (
        ".nii.gz",
        _bytes(lambda: packed(nifti("t1")[:352]) + packed(b"") * 10**6),
    ),
    "a name of 200 MB in the second stream": (
        ".nii.gz",
        _bytes(lambda: packed(nifti("t1")[:352]) + b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (200 * 2**20)),
    ),
    "extensions of 200 MB": (
        ".nii.gz",
        _bytes(lambda: _squeezed(nifti("t1")[:348] + b"\1\0\0\0" + bytes(200 * 2**20))),
    ),
}


def _one_stream(beginning: bytes, gigabytes: int) -> bytes:
    """As one stream with a checksum that is wrong, which only its end would tell."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(100 * 2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(100 * 2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    assert again == block[-len(again) :]
    return head + block + again * (10 * gigabytes - 2) + packer.flush()


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_within_ten_seconds_and_four_gigabytes(bomb: str, tmp_path: Path) -> None:
    ending, make = BOMBS[bomb]
    kind = KINDS[list(BOMBS).index(bomb) % len(KINDS)]
    case = write_healthy(tmp_path, but=(kind,))
    make(case / f"{NAME}_{kind}{ending}")

    done = load_within_limits(case)
    assert done.returncode == 1, (done.returncode, done.stderr)
    (line,) = done.stderr.splitlines()
    assert re.match(rf"napari-ddmd: .*_{kind}\.nii(\.gz)?: \w", line), line


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("what", ["zeros of the longest numbers", "10 GB behind it"])
def test_a_bomb_of_the_largest_size_in_all_files(what: str, tmp_path: Path) -> None:
    """All files agree in what they promise, so that no comparison stops the reading."""
    header = promising(512, 512, 256, datatype=64, bitpix=64)
    content = _squeezed(header + bytes(2**29)) if what.startswith("zeros") else _squeezed(header) + zeros_packed(10)
    case = tmp_path / NAME
    case.mkdir()
    for kind in KINDS:
        (case / f"{NAME}_{kind}.nii.gz").write_bytes(content)

    done = load_within_limits(case)
    assert done.returncode == 1, (done.returncode, done.stderr)
    (line,) = done.stderr.splitlines()
    assert re.search("all voxels are zero|holds far more data than its header promises", line), line


@pytest.mark.fault("Bad input")
def test_the_largest_images_that_are_taken_are_read_within_four_gigabytes(tmp_path: Path) -> None:
    """Each of the four promises what is not too much, and keeps it."""
    case = tmp_path / NAME
    case.mkdir()
    for number, kind in enumerate(KINDS[:4], start=1):
        start = promising(512, 512, 256)
        (case / f"{NAME}_{kind}.nii.gz").write_bytes(_squeezed(start + np.full(2**26, number, "<i2").tobytes()))
    done = load_within_limits(case)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(4, 256, 512, 512)\n"


def ten_thousand(folder: Path, write: Callable[[Path, int], object]) -> Path:
    case = folder / "crowd"
    case.mkdir()
    for number in range(10_000):
        write(case, number)
    return case


CROWDS: dict[str, tuple[Callable[[Path, int], object], str]] = {
    "files of one modality": (lambda case, n: (case / f"p{n}_t1.nii.gz").touch(), "10000 files for t1"),
    "files of no modality": (lambda case, n: (case / f"scan{n}.nii.gz").touch(), "tells no modality"),
    "files of another kind": (lambda case, n: (case / f"{n}.dcm").touch(), "holds no image"),
    "empty folders": (lambda case, n: (case / f"patient{n}").mkdir(), "holds no image"),
    "links to itself": (lambda case, n: (case / f"{n}").symlink_to("."), "holds no image"),
    "links that lead nowhere": (lambda case, n: (case / f"{n}_t1.nii").symlink_to("gone"), "no image for t1ce"),
    "folders that are modalities": (lambda case, n: (case / f"t1 {n}").mkdir(), "holds no image"),
}


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("crowd", CROWDS)
def test_ten_thousand_entries_are_one_short_line(crowd: str, tmp_path: Path) -> None:
    write, says = CROWDS[crowd]
    done = load_within_limits(ten_thousand(tmp_path, write))
    assert done.returncode == 1, (done.returncode, done.stderr[-2000:])
    (line,) = done.stderr.splitlines()
    assert says in line
    assert len(line) < 500


@pytest.mark.fault("Bad input")
def test_a_case_among_ten_thousand_other_files_is_read(tmp_path: Path) -> None:
    case = ten_thousand(tmp_path, lambda case, n: (case / f"note {n}.txt").touch())
    for file in write_healthy(tmp_path).iterdir():
        file.rename(case / file.name)
    done = load_within_limits(case)
    assert (done.returncode, done.stdout) == (0, "(4, 5, 7, 6)\n"), done.stderr


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("broken", REFUSED[::30], ids=names(REFUSED[::30]))
def test_a_process_of_its_own_ends_with_status_2(broken: Broken, tmp_path: Path, tiny_model_folder: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    done = run_predict(broken.write(place), tiny_model_folder, tmp_path / "out")

    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert broken.refused is not None
    assert re.search(broken.refused, line), line
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("case", ["whole: Chinese", "whole: bytes that are no UTF-8", "whole: a line end"])
def test_any_name_can_be_printed(case: str, encoding: str, tmp_path: Path, tiny_model_folder: Path) -> None:
    """Where standard output is a log in another encoding: as it is on Windows, and in many a cluster."""
    (broken,) = [broken for broken in CORPUS if broken.name == case]
    done = run_predict(broken.write(tmp_path), tiny_model_folder, tmp_path / "out", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert len(list((tmp_path / "out").iterdir())) == 1


def run_predict(case: Path, model: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command itself, whose peak of memory is checked."""
    command = (sys.executable, "-m", "napari_ddmd", "predict", str(case), "--model", str(model), "--out", str(out))
    done = subprocess.run(
        [*command, *_QUICK],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    # In kilobytes, of the largest child so far.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MOST_BYTES
    return done


def _found_in(case: Path, model: Path, out: Path) -> tuple[NDArray[np.float32], int]:
    status = main(["predict", str(case), "--model", str(model), "--out", str(out), *_QUICK])
    (file,) = out.rglob("*_probability.nii.gz")
    return np.asarray(nibabel.load(file).dataobj), status


@pytest.fixture(scope="module")
def right(
    tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    folder = tmp_path_factory.mktemp("right")
    return _found_in(write_healthy(folder), tiny_model_folder, folder / "out")[0]


SEEN = [case for case in READ if "limit" not in case.name and "orientation" not in (case.warned or "")]


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("broken", SEEN[::5], ids=names(SEEN[::5]))
def test_what_is_read_gives_the_healthy_cases_result(
    broken: Broken,
    tmp_path: Path,
    tiny_model_folder: Path,
    right: NDArray[np.float32],
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "in"
    place.mkdir()
    found, status = _found_in(broken.write(place), tiny_model_folder, tmp_path / "out")

    assert status == 0
    np.testing.assert_array_equal(found, right)
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert all(re.match(_REMARK, line) for line in printed.err.splitlines())
    if broken.warned is not None:
        assert re.search(broken.warned, printed.err)


@pytest.mark.fault("Bad input")
def test_a_name_at_the_limit_is_one_line_and_leaves_nothing(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The case can be read, its results cannot be named after it."""
    (broken,) = [case for case in CORPUS if case.name == "a name at the limit"]
    place = tmp_path / "in"
    place.mkdir()
    arguments = ["predict", str(broken.write(place)), "--model", str(tiny_model_folder), "--out", str(tmp_path / "out")]
    assert main([*arguments, *_QUICK]) == 2
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("napari-ddmd: ") and "warning" not in line
    ]
    assert len(lines) == 1
    assert "File name too long" in lines[0]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


SHAPES = ((1, 1, 1), (2, 1, 3), (1, 9, 9), (9, 1, 9), (9, 9, 1), (300, 2, 2), (2, 2, 60))
SPACINGS = ((1, 1, 1), (0.11, 0.11, 0.11), (60, 60, 60), (0.11, 40, 1))


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_odd_extents_are_segmented_or_refused(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    tmp_path: Path,
    tiny_model_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = tmp_path / NAME
    case.mkdir()
    draw = np.random.default_rng(0)
    for kind in KINDS[:4]:
        image = draw.integers(1, 999, shape).astype(np.int16)
        (case / f"{NAME}_{kind}.nii.gz").write_bytes(packed(nifti(kind, image, LPS @ np.diag([*spacing, 1]))))
    status = main(["predict", str(case), "--model", str(tiny_model_folder), "--out", str(tmp_path / "out"), *_QUICK])
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if not re.match(_REMARK, line)]
    if status == 0:
        assert said == []
        (file,) = (tmp_path / "out").rglob("*_probability.nii.gz")
        probability = np.asarray(nibabel.load(file).dataobj)
        assert probability.shape == shape
        assert np.isfinite(probability).all()
    else:
        assert (status, len(said)) == (2, 1), printed.err
        assert not (tmp_path / "out").exists()
