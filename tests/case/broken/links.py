"""Links, pipes, sockets, devices and folders where a file should be."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from tests.case.broken.broken import KINDS, NAME, Broken, in_turn, write_healthy

Put = Callable[[Path], object]
_UNREAD = (
    "(no such file|cannot be read|cannot be opened|not a file that can be read|the file is empty|not a NIfTI file)"
)


def _file_is(kind: str, put: Put, ending: str = ".nii.gz") -> Callable[[Path], Path]:
    """A healthy case, one file of which `put` makes."""

    def write(folder: Path) -> Path:
        case = write_healthy(folder, but=(kind,))
        put(case / f"{NAME}_{kind}{ending}")
        return case

    return write


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may not be long
        try:
            own.bind(path.name)
        finally:
            os.chdir(here)


def _ring(path: Path) -> None:
    other = path.with_name("other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


_ODD: dict[str, Put] = {
    "a link to nowhere": lambda path: path.symlink_to("nowhere.nii.gz"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a ring of links": _ring,
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/null": lambda path: path.symlink_to("/dev/null"),
    "a link to /dev/full": lambda path: path.symlink_to("/dev/full"),
    "a link to /dev/urandom": lambda path: path.symlink_to("/dev/urandom"),
    "a link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "a link to /proc/self/mem": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to /proc/version": lambda path: path.symlink_to("/proc/version"),
    "a link to /proc/self/maps": lambda path: path.symlink_to("/proc/self/maps"),
    "a link below a file": lambda path: path.symlink_to("/etc/passwd/x_t1.nii.gz"),
}


def _folder_full_of(put: Callable[[Path], object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        case = folder / NAME
        case.mkdir()
        put(case)
        return case

    return write


def _looping_cohort(folder: Path) -> Path:
    """A case, and links beside and inside of it that lead back up."""
    write_healthy(folder / "cohort")
    (folder / "cohort" / "again").symlink_to(folder / "cohort")
    (folder / "cohort" / "0first").symlink_to("..")
    (folder / "cohort" / NAME / "up").symlink_to("..")
    return folder / "cohort"


def _crossing_cohorts(folder: Path) -> Path:
    for name, other in (("a", "b"), ("b", "a")):
        (folder / "all" / name).mkdir(parents=True)
        (folder / "all" / name / "other").symlink_to(folder / "all" / other)
    write_healthy(folder / "all" / "b")
    return folder / "all"


def _linked(folder: Path) -> Path:
    real = write_healthy(folder / "store")
    (folder / NAME).symlink_to(real)
    return folder / NAME


def _linked_files(folder: Path) -> Path:
    """As git-annex and DataLad keep files: each a link into a store."""
    store = write_healthy(folder / "store")
    case = folder / NAME
    case.mkdir()
    for number, kind in enumerate(KINDS):
        content = store / f"SHA256E-{number}"
        (store / f"{NAME}_{kind}.nii.gz").rename(content)
        (case / f"{NAME}_{kind}.nii.gz").symlink_to(content)
    return case


def _dangling_beside(folder: Path) -> Path:
    case = write_healthy(folder)
    (case / "old_t1.nii.gz").symlink_to("gone.nii.gz")
    return case


def _folder_for_a_file(path: Path) -> None:
    path.mkdir()


CASES = [
    *(
        Broken(f"{kind} is {name}", _file_is(kind, put), refused=rf"_{kind}.nii.gz: {_UNREAD}")
        for n, (name, put) in enumerate(_ODD.items())
        for kind in (in_turn(n), in_turn(n + 1))
    ),
    *(
        Broken(f"{kind} is a folder", _file_is(kind, _folder_for_a_file), refused=f"no image for {kind}; add it")
        for kind in ("t1", "t2")
    ),
    Broken("a link that is a whole case", _linked),
    Broken("files that are links into a store", _linked_files),
    Broken("a link to nowhere beside the file itself", _dangling_beside),
    Broken("links that lead back up", _looping_cohort),
    Broken("two folders that link to each other", _crossing_cohorts),
    *(
        Broken(
            f"the case is {name}", lambda folder, put=put: _placed(folder / "case.nii.gz", put), refused=_UNREAD_CASE
        )
        for _UNREAD_CASE in ["(no such file|tells no modality|cannot be|not a file|holds no image|the file is empty)"]
        for name, put in _ODD.items()
    ),
    Broken("an empty folder", _folder_full_of(lambda case: None), refused="holds no image of a BRATS case"),
    Broken(
        "a folder of folders",
        _folder_full_of(
            lambda case: [(case / f"{i}" / f"{j}").mkdir(parents=True) for i in range(9) for j in range(9)]
        ),
        refused="holds no image of a BRATS case",
    ),
    Broken(
        "a folder of notes",
        _folder_full_of(lambda case: [(case / f"{i}.txt").write_text("x") for i in range(200)]),
        refused="holds no image of a BRATS case",
    ),
    Broken(
        "shadow files of macOS alone",
        _folder_full_of(lambda case: [(case / f"._x_{kind}.nii.gz").write_bytes(b"x") for kind in KINDS]),
        refused="holds no image of a BRATS case",
    ),
    Broken("a device for a case", lambda folder: Path("/dev/zero"), refused="not a NIfTI file"),
    Broken("a text file for a case", lambda folder: Path(__file__), refused="not a NIfTI file"),
]


def _placed(path: Path, put: Put) -> Path:
    put(path)
    return path
