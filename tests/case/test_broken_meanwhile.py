"""Files that vanish, shrink or change while a case is read, and files that may not be read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_ddmd.case import CaseFiles, find_case_files, load, load_case
from napari_ddmd.case.errors import CaseError
from napari_ddmd.case.nifti import NiftiFile, open_nifti
from napari_ddmd.cases_meant import collect_cases
from napari_ddmd.cli import main
from napari_ddmd.cohort import DoneCase
from napari_ddmd.model import Bundle
from tests.case.broken.broken import NAME, nifti, packed, write_healthy

Change = Callable[[Path], object]
_NOBODY = 65534


def _replace(put: Change) -> Change:
    def change(path: Path) -> None:
        path.unlink()
        put(path)

    return change


CHANGES: dict[str, Change] = {
    "vanishes": Path.unlink,
    "shrinks": lambda path: os.truncate(path, path.stat().st_size // 2),
    "becomes empty": lambda path: os.truncate(path, 0),
    "becomes a folder": _replace(Path.mkdir),
    "becomes a pipe": _replace(os.mkfifo),
    "becomes a link to itself": _replace(lambda path: path.symlink_to(path.name)),
    "becomes a device": _replace(lambda path: path.symlink_to("/dev/zero")),
    "becomes text": lambda path: path.write_text("gone\n"),
}


def _predict(case: Path, out: Path) -> int:
    return main(["predict", str(case), "--out", str(out), "--device", "cpu"])


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("kind", ["t1", "flair", "seg"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("moment", ["after it was found", "after its header was read"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_read_is_one_line(
    change: str,
    moment: str,
    ending: str,
    kind: str,
    tmp_path: Path,
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda name: tiny_bundle)
    case = write_healthy(tmp_path, ending=ending)
    file = case / f"{NAME}_{kind}{ending}"

    def open_changed(path: Path) -> NiftiFile:
        if path != file:
            return open_nifti(path)
        if moment == "after it was found":
            CHANGES[change](file)
        opened = open_nifti(path)
        CHANGES[change](file)
        return opened

    monkeypatch.setattr(load, "open_nifti", open_changed)

    assert _predict(case, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(rf"napari-ddmd: {re.escape(str(file))}: \w", line), line
    assert not (tmp_path / "out").exists()


@pytest.mark.fault("Bad input")
def test_a_file_that_shrinks_is_not_mapped_into_memory(tmp_path: Path) -> None:
    """Reading beyond the end of a mapped file would end the process with SIGBUS."""
    file = tmp_path / "x_t1.nii"
    file.write_bytes(nifti("t1"))
    image = open_nifti(file).read_voxels()
    os.truncate(file, 0)
    assert image.sum() > 0


@pytest.mark.fault("Bad input")
def test_a_folder_that_vanishes_after_it_was_found(tmp_path: Path) -> None:
    case = write_healthy(tmp_path)
    files = find_case_files(case)
    case.rename(tmp_path / "elsewhere")
    with pytest.raises(CaseError, match=r"_t1\.nii\.gz: no such file; check the path"):
        load_case(files)


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that is another user's, read by a user who has no rights of his own: to root all files are open."""
    if os.geteuid() != 0 or not hasattr(os, "setresuid"):
        pytest.skip("only root can become another user; to others the modes below are real as they are")
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, _NOBODY, _NOBODY)
        yield Path(name)


@pytest.fixture
def without_rights() -> Iterator[Callable[[], None]]:
    """Become nobody until the test is over; the real user, too, whose rights `os.access` tells."""
    yield lambda: os.setresuid(_NOBODY, _NOBODY, 0)
    os.setresuid(0, 0, 0)


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("what", ["a file", "the mask", "the case's folder", "a case among others"])
def test_what_may_not_be_read_is_one_line(
    what: str,
    as_nobody: Path,
    without_rights: Callable[[], None],
    tiny_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda name: tiny_bundle)
    case = write_healthy(as_nobody / "cohort")
    locked = {
        "a file": case / f"{NAME}_t2.nii.gz",
        "the mask": case / f"{NAME}_seg.nii.gz",
        "the case's folder": case,
        "a case among others": case,
    }[what]
    locked.chmod(0)
    given = case.parent if what == "a case among others" else case
    without_rights()

    assert _predict(given, as_nobody / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search("Permission denied|holds no image", line), line
    assert sorted(entry.name for entry in as_nobody.iterdir()) == ["cohort"]


@pytest.mark.fault("Bad input")
def test_a_patient_whose_folder_may_not_be_opened_is_told_beside_the_others(
    as_nobody: Path, without_rights: Callable[[], None]
) -> None:
    case = write_healthy(as_nobody / "cohort")
    (case.parent / "closed").mkdir(mode=0)
    without_rights()
    cases, (fault,) = collect_cases([case.parent])
    assert [files.name for files in cases] == [case.name]
    assert str(fault) == f"{case.parent / 'closed'}: cannot be opened (Permission denied); check the permissions"


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize(
    "names",
    [
        (f"{NAME}_t1.nii.gz", f"{NAME}_t2.nii.gz"),
        ("scan.nii.gz",),
        ("scan.nii.gz", "summary.json"),
        (f"{NAME}_mask.nii.gz", "summary.json"),
    ],
)
@pytest.mark.parametrize("given", ["among others", "beside others", "alone"])
def test_a_folder_that_may_be_listed_and_not_entered_is_one_line_and_costs_no_other_case(
    given: str,
    names: tuple[str, ...],
    tiny_bundle: Bundle,
    as_nobody: Path,
    without_rights: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr("napari_ddmd.model.load_bundle", lambda name: tiny_bundle)

    def do_case(files: CaseFiles, *_rest: object, **_more: object) -> DoneCase:
        done.append(files.name)
        return DoneCase({}, "done")

    monkeypatch.setattr("napari_ddmd.cohort.do_case", do_case)
    cohort = write_healthy(as_nobody / "cohort").parent
    locked = cohort / "Locked_001"
    locked.mkdir()
    for name in names:
        (locked / name).write_bytes(b"")
    locked.chmod(0o444)
    places = {"among others": [cohort], "beside others": [locked, cohort / NAME], "alone": [locked]}[given]
    without_rights()

    assert main(["predict", *map(str, places), "--out", str(as_nobody / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"napari-ddmd: {locked}: cannot be opened (Permission denied); check the permissions"
    assert done == ([] if given == "alone" else [NAME])


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("number", [5, 116])
def test_what_the_system_says_of_a_drive_is_passed_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that fails (5, EIO) or a mount that went stale (116, ESTALE) while the folder is listed or read."""
    case = write_healthy(tmp_path)
    file = case / f"{NAME}_t2.nii.gz"
    stat = Path.stat

    def failing(path: Path, **options: Any) -> os.stat_result:
        if path == file:
            raise OSError(number, os.strerror(number), str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", failing)
    with pytest.raises(CaseError, match=rf"_t2\.nii\.gz: cannot be read \({os.strerror(number)}\); check the file"):
        load_case(case)


@pytest.mark.fault("Bad input")
def test_one_stream_more_than_was_checked(tmp_path: Path) -> None:
    """A file that grows behind its voxels after its size was checked is read to where it should end, and refused."""
    file = tmp_path / "x_t1.nii.gz"
    file.write_bytes(packed(nifti("t1")))
    image = open_nifti(file)
    file.write_bytes(packed(nifti("t1")) + packed(bytes(30 * 2**20)))
    with pytest.raises(CaseError, match="holds far more data than its header promises"):
        image.read_image()
