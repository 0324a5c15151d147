from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import CaseError, CaseFiles, find_case_files
from napari_ddmd.earlier import ForeignResultsError, Kept, images_hash
from napari_ddmd.export import REPLACING_FILE, ExportError
from napari_ddmd.model import Bundle, read_bundle, save_bundle, untrained_bundle
from napari_ddmd.predict import PredictSettings, finished_before, predict_case

from .results import correct_mask

QUICK = PredictSettings(samples=1, steps=1, slices=(3, 5))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, small_case_folder: Path, tiny_bundle: Bundle) -> Path:
    """Results of the small case. Not to be changed."""
    out = tmp_path_factory.mktemp("done")
    predict_case(find_case_files(small_case_folder), tiny_bundle, out, QUICK)
    return out


@pytest.fixture
def out(done: Path, tmp_path: Path) -> Path:
    """A copy of the results."""
    return Path(shutil.copytree(done, tmp_path / "out"))


@pytest.fixture
def files(small_case_folder: Path) -> CaseFiles:
    return find_case_files(small_case_folder)


def test_results_of_the_same_are_known_again(out: Path, files: CaseFiles, tiny_bundle: Bundle, tmp_path: Path) -> None:
    summary = json.loads((out / "Small_001" / "summary.json").read_text())
    assert finished_before(files, tiny_bundle, out, QUICK) == Kept(summary, [])
    assert finished_before(files, tiny_bundle, tmp_path / "elsewhere", QUICK) is None
    # What the model would take without a wish is no other setting.
    own = tiny_bundle.settings.sampling
    assert finished_before(files, tiny_bundle, out, replace(QUICK, sampler=own.sampler)) == Kept(summary, [])
    # The device may be another one.
    assert finished_before(files, tiny_bundle, out, replace(QUICK, device="cpu")) == Kept(summary, [])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"samples": 2}, "samples"),
        ({"steps": 2}, "steps"),
        ({"sampler": "ddpm"}, "sampler"),
        ({"threshold": 0.4}, "threshold"),
        ({"slices": (3, 6)}, "slices"),
        ({"slices": None, "seed": 2}, "seed, slices"),
    ],
)
def test_other_settings_are_named(
    out: Path, files: CaseFiles, tiny_bundle: Bundle, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ExportError, match=rf"_mask\.nii\.gz: exists already, made with other settings \({named}\); c"):
        finished_before(files, tiny_bundle, out, replace(QUICK, **change))


def test_another_model_and_other_images_are_no_same(
    out: Path, files: CaseFiles, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="exists already, made with another model; "):
        finished_before(files, untrained_bundle("full", seed=1), out, QUICK)
    moved = Path(shutil.copytree(files.images["t1"].parent, tmp_path / "moved" / "Small_001"))
    assert finished_before(find_case_files(moved), tiny_bundle, out, QUICK) is not None
    t1, t2 = (find_case_files(moved).images[name] for name in ("t1", "t2"))
    swap = moved / "swap"
    t1.rename(swap), t2.rename(t1), swap.rename(t2)
    with pytest.raises(ExportError, match="exists already, made from other images; "):
        finished_before(find_case_files(moved), tiny_bundle, out, QUICK)


NAMES = ["mask.nii.gz", "probability.nii.gz", "uncertainty.nii.gz", "inter.nii.gz", "intra.nii.gz"]


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_result_that_is_lost_is_named(
    out: Path, files: CaseFiles, tiny_bundle: Bundle, name: str, is_emptied: bool
) -> None:
    lost = out / "Small_001" / f"Small_001_{name}"
    lost.write_bytes(b"") if is_emptied else lost.unlink()
    with pytest.raises(ExportError, match=rf"exists already, but {lost.name} does not; choose"):
        finished_before(files, tiny_bundle, out, QUICK)


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_is_damaged_is_named(out: Path, files: CaseFiles, tiny_bundle: Bundle, name: str) -> None:
    torn = out / "Small_001" / f"Small_001_{name}"
    torn.write_bytes(torn.read_bytes()[:-9])
    with pytest.raises(ExportError, match=rf"exists already, but {torn.name} is damaged; choose"):
        finished_before(files, tiny_bundle, out, QUICK)


@pytest.mark.fault("Output whole or absent")
def test_a_corrected_mask_is_known_for_one(out: Path, files: CaseFiles, tiny_bundle: Bundle) -> None:
    correct_mask(out / "Small_001" / "Small_001_mask.nii.gz")
    kept = finished_before(files, tiny_bundle, out, QUICK)
    assert kept is not None
    assert kept.changed == ["Small_001_mask.nii.gz"]


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("kind", ["one volume of four axes", "two volumes", "colours", "wrong bits"])
def test_a_correction_that_another_program_has_saved_otherwise_is_not_replaced(
    kind: str, out: Path, files: CaseFiles, tiny_bundle: Bundle
) -> None:
    mask = out / "Small_001" / "Small_001_mask.nii.gz"
    image = nibabel.load(mask)
    voxels = np.asanyarray(image.dataobj)
    saved = {
        "one volume of four axes": 1 - voxels[..., None],
        "two volumes": np.stack([voxels, voxels], axis=-1),
        "colours": np.zeros(voxels.shape, [(name, "u1") for name in "RGB"]),
        "wrong bits": 1 - voxels,
    }[kind]
    content = bytearray(nibabel.Nifti1Image(saved, image.affine).to_bytes())
    if kind == "wrong bits":
        content[72:74] = (32).to_bytes(2, "little")
    mask.write_bytes(gzip.compress(bytes(content)))
    kept = finished_before(files, tiny_bundle, out, QUICK)
    assert kept is not None
    assert kept.changed == [mask.name]
    with pytest.raises(ForeignResultsError, match=f"and {mask.name} changed since"):
        finished_before(files, tiny_bundle, out, replace(QUICK, seed=1))


@pytest.mark.fault("Output whole or absent")
def test_what_cannot_be_read_is_not_replaced(
    out: Path, files: CaseFiles, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_path: Path) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("napari_ddmd.earlier.file_hash", closed)
    with pytest.raises(ForeignResultsError, match="cannot be read"):
        finished_before(files, tiny_bundle, out, replace(QUICK, seed=1))


def test_results_without_an_image_are_not_kept_for_a_call_that_would_not_make_them(
    out: Path, files: CaseFiles, tiny_bundle: Bundle
) -> None:
    without = replace(files, images={name: path for name, path in files.images.items() if name != "t1ce"})
    lacking = replace(QUICK, allow_missing=True)
    predict_case(without, tiny_bundle, out, lacking, overwrite=True)
    assert finished_before(without, tiny_bundle, out, lacking) is not None
    with pytest.raises(CaseError, match=r"no image for t1ce[^\n]*--allow-missing"):
        finished_before(without, tiny_bundle, out, QUICK)


def test_results_of_earlier_versions_say_nothing_of_their_content(
    out: Path, files: CaseFiles, tiny_bundle: Bundle
) -> None:
    summary = out / "Small_001" / "summary.json"
    content = json.loads(summary.read_text())
    del content["files_sha256"]
    summary.write_text(json.dumps(content))
    correct_mask(out / "Small_001" / "Small_001_mask.nii.gz")
    kept = finished_before(files, tiny_bundle, out, QUICK)
    assert kept is not None
    assert kept.changed == []


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b'{"settings": {}}', b"\xff", b"[" * 100_000])
def test_results_without_a_whole_summary_are_not_taken_for_done(
    out: Path, files: CaseFiles, tiny_bundle: Bundle, content: bytes | None
) -> None:
    summary = out / "Small_001" / "summary.json"
    summary.unlink() if content is None else summary.write_bytes(content)
    with pytest.raises(ForeignResultsError, match=r"_mask\.nii\.gz: exists already, and no summary\.json ") as caught:
        finished_before(files, tiny_bundle, out, QUICK)
    assert "\n" not in str(caught.value)
    # Where it is known that they were being replaced, they may be replaced.
    summary.with_name(REPLACING_FILE).touch()
    with pytest.raises(ExportError, match="replace such results") as caught:
        finished_before(files, tiny_bundle, out, QUICK)
    assert not isinstance(caught.value, ForeignResultsError)
    predict_case(files, tiny_bundle, out, QUICK, overwrite=True)
    assert not summary.with_name(REPLACING_FILE).exists()
    assert finished_before(files, tiny_bundle, out, QUICK) is not None


@pytest.mark.fault("Output whole or absent")
def test_a_report_that_was_saved_beside_them_is_known_for_one(out: Path, files: CaseFiles, tiny_bundle: Bundle) -> None:
    (out / "Small_001" / "Small_001_report.html").write_text("Accepted.")
    kept = finished_before(files, tiny_bundle, out, QUICK)
    assert kept is not None
    assert kept.changed == ["Small_001_report.html"]
    with pytest.raises(ForeignResultsError, match=r"and Small_001_report\.html changed since; choose"):
        finished_before(files, tiny_bundle, out, replace(QUICK, seed=1))


def test_other_settings_of_the_model_are_another_model(out: Path, files: CaseFiles, tiny_bundle: Bundle) -> None:
    sampling = replace(tiny_bundle.settings.sampling, healthy_below=0.5)
    other = replace(tiny_bundle, settings=replace(tiny_bundle.settings, sampling=sampling))
    with pytest.raises(ExportError, match="made with another model"):
        finished_before(files, other, out, QUICK)
    summary = out / "Small_001" / "summary.json"
    content = json.loads(summary.read_text())
    del content["model"]["settings_sha256"]  # as of earlier versions
    summary.write_text(json.dumps(content))
    assert finished_before(files, other, out, QUICK) is not None


def test_what_older_results_do_not_say_is_what_was_done_then(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    """A model that says less than this version knows, and results that say no more of it."""
    description = json.loads((save_bundle(tmp_path / "model", tiny_bundle) / "model.json").read_text())
    for group, key in (("sampling", "evens_out"), ("diffusion", "scaled_input")):
        del description["settings"][group][key]
    told = json.dumps(description["settings"], sort_keys=True)
    description["settings_sha256"] = hashlib.sha256(told.encode()).hexdigest()
    (tmp_path / "model" / "model.json").write_text(json.dumps(description))
    old = read_bundle(tmp_path / "model")
    assert old.settings_sha256 == description["settings_sha256"]
    sampling = replace(old.settings.sampling, samples=9)
    changed = replace(old, settings=replace(old.settings, sampling=sampling))
    assert changed.settings_sha256 != old.settings_sha256
    assert changed.full_settings_sha256 != old.full_settings_sha256

    again = read_bundle(save_bundle(tmp_path / "again", replace(old, card="Other words.")))
    assert again.settings_sha256 == old.settings_sha256, "new words make no other model"

    files = find_case_files(small_case_folder)
    predict_case(files, old, tmp_path / "out", QUICK)
    summary = tmp_path / "out" / "Small_001" / "summary.json"
    content = json.loads(summary.read_text())
    assert content["model"]["settings_sha256"] == description["settings_sha256"]
    assert not content["settings"].pop("evens_out")
    for name in (
        description["settings_sha256"],
        old.full_settings_sha256,
    ):  # the second is what was written for a while
        content["model"]["settings_sha256"] = name
        summary.write_text(json.dumps(content))
        assert finished_before(files, old, tmp_path / "out", QUICK) is not None
    with pytest.raises(ExportError, match="made with another model"):
        finished_before(files, changed, tmp_path / "out", QUICK)


def test_a_report_that_is_wanted_must_be_there(out: Path, files: CaseFiles, tiny_bundle: Bundle) -> None:
    with pytest.raises(ExportError, match=r"exists already, but Small_001_report\.html does not"):
        finished_before(files, tiny_bundle, out, QUICK, report=True)
    predict_case(files, tiny_bundle, out, QUICK, overwrite=True, report=True)
    assert finished_before(files, tiny_bundle, out, QUICK, report=True) is not None
    assert finished_before(files, tiny_bundle, out, QUICK) is not None


def test_a_session_that_is_wanted_must_be_there_and_one_that_was_corrected_is_kept(
    out: Path, files: CaseFiles, tiny_bundle: Bundle
) -> None:
    with pytest.raises(ExportError, match=r"exists already, but Small_001\.ddmd does not"):
        finished_before(files, tiny_bundle, out, QUICK, session=True)
    predict_case(files, tiny_bundle, out, QUICK, overwrite=True, session=True)
    kept = finished_before(files, tiny_bundle, out, QUICK, session=True)
    assert kept is not None
    assert kept.changed == []
    session = out / "Small_001" / "Small_001.ddmd"
    session.write_bytes(session.read_bytes() + b"of a reader")
    for wanted in (True, False):
        kept = finished_before(files, tiny_bundle, out, QUICK, session=wanted)
        assert kept is not None
        assert kept.changed == ["Small_001.ddmd"]
    other = replace(QUICK, seed=QUICK.seed + 1)
    with pytest.raises(ForeignResultsError, match=r"Small_001\.ddmd changed since"):
        finished_before(files, tiny_bundle, out, other)


def test_an_image_that_vanishes_is_named(files: CaseFiles, tmp_path: Path) -> None:
    lost = replace(files, images=files.images | {"t2": tmp_path / "gone.nii.gz"})
    with pytest.raises(CaseError, match=r"gone\.nii\.gz: No such file or directory; see"):
        images_hash(lost)


@pytest.mark.fault("Bad input")
def test_an_image_that_became_a_pipe_is_named_and_not_waited_for(files: CaseFiles, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii.gz")
    with pytest.raises(CaseError, match=r"pipe\.nii\.gz: is a folder, pipe or device by now"):
        images_hash(replace(files, images=files.images | {"t2": tmp_path / "pipe.nii.gz"}))
