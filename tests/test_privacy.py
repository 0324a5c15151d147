"""Of the patient nothing but the case's name goes out: words planted in headers, names and folders stay there."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import stat
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_ddmd import export
from napari_ddmd.case import Case, CaseWarning, load_case
from napari_ddmd.case.plain_header import plain_header
from napari_ddmd.cli import main
from napari_ddmd.faults import plain_reason
from napari_ddmd.model import Bundle
from napari_ddmd.saveable import ModelFacts, Saveable
from napari_ddmd.viewer.autosave import Autosave, Edits, case_key
from napari_ddmd.viewer.saving import KINDS, save_results
from napari_ddmd.whole_files import workplace
from tests.canary import HEADER_TEXTS, THEN, WORD, plant, tells, told
from tests.conftest import CaseWriter
from tests.results import finished

Captured = pytest.CaptureFixture[str]
NAME = "Chosen_001"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, write_small_case: CaseWriter) -> Path:
    """A case with words in its headers, its files' names and the folder above it; its own name was chosen."""
    folder = plant(write_small_case(tmp_path_factory.mktemp("data") / f"{WORD}_Jane_Doe" / NAME))
    for path in folder.iterdir():
        os.utime(path, (THEN, THEN))
    return folder


@pytest.fixture
def case(planted: Path) -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        return load_case(planted)


def test_the_search_finds_what_is_planted(planted: Path, tmp_path: Path) -> None:
    assert len(told(planted.parent.parent)) == 7
    image = next(planted.glob("*_t1.nii.gz"))
    for text in (*HEADER_TEXTS.values(), "extension Jane Doe"):
        assert tells(image.read_bytes(), text), text
    inside = f"text {WORD} text".encode()
    for number, content in enumerate(
        (
            b"<img src='data:text/plain;base64," + base64.b64encode(b"long enough for it: " + inside) + b"'>",
            gzip.compress(gzip.compress(inside)),
            WORD.encode("utf-16-le"),
        )
    ):
        (tmp_path / str(number)).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", gzip.compress(inside))
    (tmp_path / "clean").write_bytes(b"nothing")
    assert told(tmp_path) == ["0", "1", "2", "zip"]


@pytest.mark.fault("Privacy")
def test_a_prediction_tells_only_the_chosen_name(
    planted: Path, tiny_model_folder: Path, tmp_path: Path, history_file: Path, capsys: Captured
) -> None:
    words = ("--model", str(tiny_model_folder), "--out", str(tmp_path), "--report", "--json", "--samples", "2")
    assert main(["predict", str(planted), *words]) == 0

    printed = capsys.readouterr()
    assert not tells(printed.out.encode())
    # Whoever gave the path is told of it on the terminal, and of nothing that is in the file.
    assert not tells(printed.err.replace(str(planted), "").replace(f"{WORD}_file", "").encode())
    results = {path.name for path in (tmp_path / NAME).iterdir()}
    assert {"summary.json", f"{NAME}_report.html", f"{NAME}_mask.nii.gz", f"{NAME}_lesions.csv"} <= results
    assert told(tmp_path) == []
    told_of = "\n".join(json.loads((tmp_path / NAME / "summary.json").read_text())["warnings"])
    assert "the T1 image: the header does not tell the orientation" in told_of
    if history_file.exists():
        assert not tells(history_file.read_bytes(), NAME)
        assert not tells(history_file.read_bytes())


@pytest.mark.fault("Privacy")
def test_no_date_goes_out(case: Case, tmp_path: Path) -> None:
    path = export.save_volume(tmp_path / "x.nii.gz", np.zeros(case.grid.shape), case, dtype=np.uint8)
    content = path.read_bytes()
    assert content[4:8] in (bytes(4), b"\xff" * 4)  # gzip has room for the time
    assert not content[3] & 0x08  # and for the file's name
    assert path.stat().st_mtime > THEN


def results_of(case: Case, bundle: Bundle) -> Saveable:
    """All that can be saved of a case after a run, with the expert's outline."""
    volumes = finished(case, slices=[2, 3])
    return Saveable(
        case=case,
        mask=volumes.mask(),
        volumes=volumes,
        model=ModelFacts.of(bundle),
        settings={"seed": 0},
        threshold=0.5,
        is_models=True,
        with_expert=True,
    )


@pytest.mark.fault("Privacy")
def test_all_that_the_save_dialog_writes_tells_only_the_chosen_name(
    case: Case, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    files = save_results(tmp_path, set(KINDS), results_of(case, tiny_bundle))
    assert len(files) >= 8
    assert told(tmp_path) == []


@pytest.mark.fault("Privacy")
def test_under_another_name_nothing_tells_the_cases_own(case: Case, tiny_bundle: Bundle, tmp_path: Path) -> None:
    remarks = (*case.warnings, f"{NAME}: has no t2; what is found without it is less sure")
    known = dataclasses.replace(case, warnings=remarks)
    files = save_results(tmp_path, set(KINDS), results_of(known, tiny_bundle).named("Patient 7"))
    assert len(files) >= 8
    assert all(file.name.startswith("Patient 7_") for file in files)
    assert told(tmp_path) == []
    report = (tmp_path / "Patient 7_report.html").read_text(encoding="utf-8")
    assert "Patient 7: has no t2" in report
    for file in files:
        assert not tells(file.read_bytes(), NAME), file.name


@pytest.mark.fault("Privacy")
@pytest.mark.parametrize("kind", [nibabel.Nifti1Header, nibabel.Nifti2Header])
@pytest.mark.parametrize("endianness", "<>")
def test_a_plain_header_has_the_geometry_and_nothing_else(kind: type[Any], endianness: str) -> None:
    rubbish = np.random.default_rng(0).integers(65, 90, kind.sizeof_hdr, dtype=np.uint8).tobytes()
    header = kind(rubbish, endianness=endianness, check=False)
    good = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([-2.0, 2, 3, 1])).header
    for name in ("dim", "pixdim", "sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c"):
        header[name] = good[name]
    for name in ("quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "datatype", "bitpix"):
        header[name] = good[name]

    plain = plain_header(header)

    np.testing.assert_array_equal(plain.get_best_affine(), header.get_best_affine())
    assert plain.get_data_shape() == (3, 4, 5)
    empty = nibabel.Nifti1Header(endianness=endianness)
    known = {"dim", "pixdim", "sform_code", "qform_code", "datatype", "bitpix", "dim_info", "xyzt_units", "cal_min"}
    known |= {"cal_max", "srow_x", "srow_y", "srow_z", *(f"quatern_{axis}" for axis in "bcd")}
    known |= {f"qoffset_{axis}" for axis in "xyz"}
    assert [name for name in set(plain) - known if not np.array_equal(plain[name], empty[name])] == []
    np.testing.assert_array_equal(plain["pixdim"][4:], empty["pixdim"][4:])


@pytest.mark.fault("Privacy")
def test_an_autosave_tells_no_name_at_all(case: Case, tmp_path: Path) -> None:
    zeros = np.zeros(case.grid.shape, np.uint8)
    store = Autosave(tmp_path / "autosave")
    path = store.save(case_key(case), Edits(zeros + 1, zeros, 0.5))
    assert told(store.folder, WORD, NAME) == []
    assert [entry.name for entry in store.folder.iterdir()] == [path.name]
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def break_off(folder: Path) -> None:
    with workplace(folder) as place:
        (place / "scan.nii").write_bytes(b"voxels")
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert place.parent == folder
        raise RuntimeError("in mid-write")


@pytest.mark.fault("Privacy")
@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_what_is_unfinished_is_private_and_is_removed_after_an_error(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with pytest.raises(RuntimeError, match="in mid-write"):
            break_off(tmp_path)
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("Privacy")
def test_nothing_is_put_into_the_folder_that_all_users_share(
    planted: Path, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    made: list[Path] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(str(shared)):
            made.append(Path(arguments[0]))

    if not _WATCHERS:
        sys.addaudithook(lambda event, arguments: [watcher(event, arguments) for watcher in _WATCHERS] and None)
    _WATCHERS.append(watch)
    try:
        words = ("--model", str(tiny_model_folder), "--out", str(tmp_path / "out"), "--report", "--samples", "2")
        assert main(["predict", str(planted), *words]) == 0
    finally:
        _WATCHERS.remove(watch)
    assert made == []
    assert list(shared.iterdir()) == []


_WATCHERS: list[Callable[[str, tuple[object, ...]], None]] = []
"""Python takes no hook back: one is set for good, and calls those that are in here."""


@pytest.mark.fault("Privacy", count=3)
@pytest.mark.parametrize(
    "text",
    [
        f"bad values: {np.arange(1000.0) + 31337}",
        f"bad values: {np.full((4, 300), 31337.25)!r} in the image",
        "index error at tensor([[31337., 31337.], [31337., 31338.]], dtype=float64)",
    ],
)
def test_a_reason_holds_no_values(text: str) -> None:
    reason = plain_reason(RuntimeError(text))
    assert "31337" not in reason
    assert reason.split()[0] == text.split()[0]


@pytest.mark.fault("Privacy")
def test_a_case_in_a_traceback_shows_no_voxel(case: Case) -> None:
    case.images[:] = 31337
    assert "31337" not in repr(case)


@pytest.mark.fault("Privacy")
@pytest.mark.parametrize("is_chained", [False, True])
def test_a_crash_of_the_command_line_prints_no_voxel(
    is_chained: bool,
    planted: Path,
    tiny_model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    def crash(place: Path, held: Case, *rest: object, **more: object) -> Path:
        images = np.full_like(held.images, 31337)
        if is_chained:
            try:
                raise ValueError(f"bad {images[0, 2]}")
            except ValueError as error:
                raise KeyError(str(images[0, 2])) from error
        raise ValueError(f"bad {images[0, 2]}")

    monkeypatch.setattr("napari_ddmd.predict.save_prediction", crash)
    words = ("--model", str(tiny_model_folder), "--out", str(tmp_path / "out"), "--samples", "2", "--json")
    nowhere = str(tmp_path / "nowhere")
    assert main(["predict", nowhere, str(planted), *words]) == 1

    told = capsys.readouterr()
    (_, failed) = json.loads(told.out)["failed"]
    assert failed.startswith(f"{NAME}: ")
    printed = told.err + told.out
    assert "ValueError: bad […]" in printed
    assert ("KeyError" in printed) == is_chained
    assert "31337." not in printed
    assert "array(" not in printed
    assert "tensor(" not in printed
    assert not tells(printed.replace(str(planted), "").replace(f"{WORD}_file", "").encode())
    assert not (tmp_path / "out").exists()
