"""Many cases at once: the good ones are done, the bad ones named, memory stays flat, and a killed run goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from .conftest import LAI_2MM

PART = "Load"
ROOT = Path(__file__).parents[1]
QUICK = ("--samples", "1", "--steps", "1", "--slices", "3:5", "--device", "cpu")
MIB = 2**20
# The other tests' case is so small that a leak of it would hide in the noise.
WIDE = (64, 64, 40)
Record = Callable[[str, object], None]
Harm = Callable[[Path], object]

posix = pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")

# The command, but it says how much memory the process holds as it comes to each case, and how often it segments.
COMMAND = """
import importlib, sys
import psutil
from napari_ddmd.cli import main

cohort = importlib.import_module("napari_ddmd.cohort")
do_case, predict_case, own = cohort.do_case, cohort.predict_case, psutil.Process()

def weighed(files, *arguments, **options):
    print("memory", own.memory_info().rss, file=sys.stderr, flush=True)
    return do_case(files, *arguments, **options)

def counted(files, *arguments, **options):
    print("segmented", files.name, file=sys.stderr, flush=True)
    return predict_case(files, *arguments, **options)

cohort.do_case, cohort.predict_case = weighed, counted
sys.exit(main(sys.argv[1:]))
"""


def rewrite(name: str, change: Callable[[bytes], bytes]) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / f"{folder.name}_{name}.nii.gz"
        path.write_bytes(change(path.read_bytes()))

    return harm


def put(name: str, array: np.ndarray) -> Harm:
    return lambda folder: nibabel.save(nibabel.Nifti1Image(array, LAI_2MM), folder / f"{folder.name}_{name}.nii.gz")


HARMS: list[Harm] = [
    rewrite("flair", lambda content: content[: len(content) // 2]),
    lambda folder: (folder / f"{folder.name}_t2.nii.gz").unlink(),
    rewrite("t1", lambda _: b""),
    rewrite("t1ce", lambda _: b"no image at all"),
    put("t2", np.ones((5, 6, 7), np.int16)),
    put("t1", np.zeros(WIDE, np.int16)),
    put("flair", np.full(WIDE, np.nan, np.float32)),
    put("t1ce", np.ones((*WIDE, 2), np.int16)),
    lambda folder: shutil.copy(folder / f"{folder.name}_t1.nii.gz", folder / "twin_t1.nii.gz"),
    rewrite("t2", lambda content: content[:-8] + b"\xff" * 8),
]


def make_cohort(folder: Path, template: Path, cases: int, harms: list[Harm]) -> tuple[list[str], list[str]]:
    """Names of the good and of the bad cases."""
    names = [f"Case_{number:03d}" for number in range(cases)]
    bad = names[3 :: cases // len(harms)][: len(harms)]
    for name in names:
        (folder / name).mkdir(parents=True)
        for file in template.iterdir():
            place = folder / name / file.name.replace(template.name, name)
            if name in bad:
                shutil.copy(file, place)
            else:
                os.link(file, place)
    for name, harm in zip(bad, harms, strict=True):
        harm(folder / name)
    return [name for name in names if name not in bad], bad


def command(cohort: Path, model: Path, out: Path, *more: str) -> list[str]:
    words = ["predict", str(cohort), "--model", str(model), "--out", str(out), *QUICK, *more]
    return [sys.executable, "-c", COMMAND, *words]


def kill_after(words: list[str], cases: int) -> list[str]:
    """Start a command and kill it while it is at work on the case after so many; the cases that it began."""
    begun: list[str] = []
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("segmented"):
                begun.append(line.split()[1])
            if len(begun) > cases:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    return begun


def results(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file of every case that is done."""
    found = {}
    for path in sorted(out.glob("[!.]*/*")):
        state = path.stat()
        found[path.relative_to(out).as_posix()] = (state.st_ino, state.st_mtime_ns)
    return found


def run_cohort(cohort: Path, good: list[str], bad: list[str], model: Path, out: Path, kills: list[int]) -> list[int]:
    """Kill a run after so many cases each time, let it end, and check what came of it; its memory at each case."""
    done: dict[str, tuple[int, int]] = {}
    words = command(cohort, model, out)
    for cases in kills:
        begun = kill_after(words, cases)
        now = results(out)
        assert {name: now[name] for name in done} == done
        assert not {name.split("/")[0] for name in done} & set(begun)
        done = now
        assert all((out / name / "summary.json").exists() for name in {file.split("/")[0] for file in done})
    (out / ".saving-killed").mkdir(parents=True)
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1000)
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    begun = [line.split()[1] for line in lines if line.startswith("segmented")]
    told = [line for line in lines if not line.startswith(("segmented", "memory", "napari-ddmd: warning:"))]
    # What was done is as it was; nothing is done twice, and nothing forgotten.
    now = results(out)
    assert {name: now[name] for name in done} == done
    kept = {file.split("/")[0] for file in done}
    assert not kept & set(begun)
    assert {name for name in good if (out / name / "summary.json").exists()} == set(good)
    assert sorted(entry.name for entry in out.iterdir()) == sorted([*good, "cohort.csv"])
    *printed, last = ended.stdout.splitlines()
    counts = {"done": len(good) - len(kept), "kept": len(kept), "failed": len(bad)}
    assert last.startswith(f"{len(good + bad)} cases: {', '.join(f'{n} {kind}' for kind, n in counts.items() if n)}; ")
    assert len(printed) == len(good)
    assert {line.split(":")[0] for line in printed if "is done, and kept" in line} == kept
    # One line says what the kill has left, and one each what is wrong with the bad ones.
    (left,) = (line for line in told if "a save was cut off here" in line)
    assert str(out) in left
    for name in bad:
        (fault,) = (line for line in told if name in line and line != left)
        assert fault.startswith("napari-ddmd: ")
    assert len(told) == len(bad) + 1
    return [int(line.split()[1]) for line in lines if line.startswith("memory")]


@posix
@pytest.mark.fault(PART, count=3)
def test_a_small_cohort_with_bad_cases_and_a_kill(
    tmp_path: Path, small_case_folder: Path, tiny_model_folder: Path
) -> None:
    good, bad = make_cohort(tmp_path / "cohort", small_case_folder, 12, HARMS[:2])
    run_cohort(tmp_path / "cohort", good, bad, tiny_model_folder, tmp_path / "out", [4])


@pytest.fixture(scope="module")
def wide_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case whose images take a few megabytes in memory, like all that is made of it."""
    folder = tmp_path_factory.mktemp("wide") / "Wide_001"
    folder.mkdir()
    i, j, k = np.indices(WIDE)
    brain = ((i - 32) / 28) ** 2 + ((j - 32) / 30) ** 2 + ((k - 20) / 18) ** 2 < 1
    for number, name in enumerate(("t1", "t1ce", "t2", "flair")):
        image = (brain * (200 + 100 * number + (i + j + k) % 60)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(image, LAI_2MM), folder / f"Wide_001_{name}.nii.gz")
    return folder


@posix
@pytest.mark.torture
@pytest.mark.fault(PART, count=12)
def test_two_hundred_cases_with_ten_bad_ones_and_two_kills(
    tmp_path: Path, wide_case: Path, tiny_model_folder: Path, record_property: Record
) -> None:
    good, bad = make_cohort(tmp_path / "cohort", wide_case, 200, HARMS)
    assert (len(good), len(bad)) == (190, 10)
    memory = run_cohort(tmp_path / "cohort", good, bad, tiny_model_folder, tmp_path / "out", [1, 5])
    early, late = memory[26] / MIB, memory[-1] / MIB
    print(f"{early:.0f} MiB after 26 cases, {late:.0f} MiB after {len(memory) - 1}")
    # The images alone, had they stayed with each case, would be several times this.
    images = 4 * 4 * np.prod(WIDE) / MIB
    assert late - early < images * (len(memory) - 27) / 8
