from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_ddmd.case import MODALITIES, Case, CaseFiles, CaseWarning, find_case_files, load_case
from napari_ddmd.case_sampler import CaseSampler
from napari_ddmd.cases_meant import collect_cases
from napari_ddmd.export import ExportError
from napari_ddmd.model import Bundle
from napari_ddmd.predict import (
    PredictError,
    PredictSettings,
    finished_before,
    predict_case,
    refuse_without_napari,
)
from napari_ddmd.segment import Progress
from napari_ddmd.viewer.session.archive import SessionError

from .conftest import LAI_2MM, SHAPE, CaseWriter

QUICK = PredictSettings(samples=2, steps=1, seed=3)


def test_a_prediction_is_what_the_summary_says(small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    reports: list[Progress] = []
    done = predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path, QUICK, progress=reports.append)

    assert done.folder == tmp_path / "Small_001"
    assert done.summary == json.loads((done.folder / "summary.json").read_text())
    assert done.summary["settings"] == {
        "samples": 2,
        "steps": 1,
        "sampler": tiny_bundle.settings.sampling.sampler,
        "seed": 3,
        "min_part": 0.1,
        "min_peak": 0.0,
        "evens_out": True,
        "slices": None,
        "threshold": 0.5,
    }
    brain = np.asanyarray(nibabel.load(small_case_folder / "Small_001_t1.nii.gz").dataobj).any(axis=(0, 1))
    assert done.summary["slices"]["numbers"] == np.flatnonzero(brain).tolist()
    assert reports[-1].done == reports[-1].total == 2 * brain.sum()


def test_parts_that_are_sure_nowhere_are_left_out(small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    plain = predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path / "plain", QUICK).volumes
    threshold = float(plain.probability.max()) - 0.01
    sampling = replace(tiny_bundle.settings.sampling, threshold=threshold, min_peak=threshold + 0.02)
    bundle = replace(tiny_bundle, settings=replace(tiny_bundle.settings, sampling=sampling))
    done = predict_case(find_case_files(small_case_folder), bundle, tmp_path / "peak", QUICK)
    assert plain.mask(threshold).any()
    assert done.summary["lesion_volume_ml"] == 0
    left = np.count_nonzero(done.volumes.probability > threshold)
    assert done.summary["left_out"]["volume_ml"] == pytest.approx(left * np.prod(done.case.spacing) / 1000)
    assert done.summary["left_out"]["n"] >= 1
    assert done.summary["settings"]["min_peak"] == pytest.approx(sampling.min_peak, abs=1e-4)


@pytest.mark.fault("Output whole or absent")
def test_what_cannot_be_written_is_said_before_the_run(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["napari_ddmd.segment"], "segment", None)
    files = replace(find_case_files(small_case_folder), name="n" * 240)
    with pytest.raises(ExportError, match=r"cannot be written \(File name too long\); choose another folder"):
        predict_case(files, tiny_bundle, tmp_path / "new" / "out", QUICK)
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_saved_where_it_is_asked_for(small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    files = find_case_files(small_case_folder)
    done = predict_case(files, tiny_bundle, tmp_path, QUICK, report=True)
    page = (done.folder / "Small_001_report.html").read_text("utf-8")
    sampling = tiny_bundle.settings.sampling
    own = (
        f"Masks share the first estimate</dt><dd>{'yes' if sampling.shared_guess else 'no'}",
        f"First estimate kept below probability</dt><dd>{sampling.healthy_below:g}",
        "Uneven images are evened out (N4)</dt><dd>yes",
        "Bias field taken out of, for the model</dt><dd>no image<",
    )
    for words in ("Seed</dt><dd>3", "Device</dt><dd>", "Sampled masks a slice</dt><dd>2", *own):
        assert words in page
    assert (done.folder / "Small_001_lesions.csv").read_text().startswith("case,model,")


def test_what_is_not_asked_for_again_is_removed_and_told_of(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    files, told = find_case_files(small_case_folder), list[str]()
    predict_case(files, tiny_bundle, tmp_path, QUICK, session=True)
    done = predict_case(files, tiny_bundle, tmp_path, QUICK, overwrite=True, remark=told.append)
    assert not (done.folder / "Small_001.ddmd").exists()
    assert "Small_001: Small_001.ddmd of the earlier results is removed; --session writes new ones" in told


def test_without_qt_a_session_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "napari_ddmd.viewer.session.of_run", None)
    with pytest.raises(PredictError, match=r"needs napari with Qt, which is not here; install"):
        refuse_without_napari()


def test_a_session_that_cannot_be_written_leaves_nothing(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_arguments: object, **_options: object) -> None:
        raise SessionError(f"{path}: cannot be written")

    monkeypatch.setattr("napari_ddmd.viewer.session.of_run.save_run", fail)
    with pytest.raises(PredictError, match="cannot be written"):
        predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path / "out", QUICK, session=True)
    assert not any(place.is_file() for place in tmp_path.rglob("*"))


def test_that_the_model_was_trained_on_the_patient_is_said(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    told: list[str] = []
    bundle = replace(tiny_bundle, provenance={"training_cases": ["Small_001"]})
    files = find_case_files(small_case_folder)
    done = predict_case(files, bundle, tmp_path, QUICK, report=True, remark=told.append)
    caution = "the model untrained 0 was trained on this patient; how well it does here says nothing of others"
    assert f"Small_001: {caution}" in told
    assert caution in done.summary["warnings"]
    assert caution in (done.folder / "Small_001_report.html").read_text("utf-8")
    assert caution not in predict_case(files, tiny_bundle, tmp_path / "other", QUICK).summary["warnings"]


def test_a_report_names_the_images_that_the_model_has_seen_without_their_field(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def even_out(run: CaseSampler, *_others: Any) -> None:
        run.read_images(evened=("t2",))

    monkeypatch.setattr(import_module("napari_ddmd.segment"), "even_out", even_out)
    done = predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path, QUICK, report=True)
    page = (done.folder / "Small_001_report.html").read_text("utf-8")
    assert "Bias field taken out of, for the model</dt><dd>T2<" in page
    assert done.summary["bias_field_taken_out"] == ["t2"]


@pytest.mark.fault("Bad input")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_a_report_is_saved_whatever_the_name(tiny_bundle: Bundle, tmp_path: Path, write_small_case: CaseWriter) -> None:
    name = os.fsdecode(b"caf\xe9")
    folder = write_small_case(tmp_path / name)
    done = predict_case(find_case_files(folder), tiny_bundle, tmp_path / "out", QUICK, report=True)
    assert "caf?" in (done.folder / f"{name}_report.html").read_text("utf-8")


def test_a_case_without_an_image_has_no_maps_and_no_scores(
    tiny_bundle: Bundle, tmp_path: Path, write_small_case: CaseWriter
) -> None:
    folder = write_small_case(tmp_path / "case")
    (folder / "case_t1ce.nii.gz").unlink()
    settings = replace(QUICK, allow_missing=True)
    done = predict_case(find_case_files(folder), tiny_bundle, tmp_path / "out", settings, report=True)

    assert (done.folder / "case_mask.nii.gz").exists()
    assert not list(done.folder.glob("*_int*.nii.gz"))
    none = {"inter": None, "intra": None}
    assert done.summary["scores"] == {**none, "per_modality": dict.fromkeys(MODALITIES, none)}
    assert all(lesion["modality_scores"] is None for lesion in done.summary["lesions"])
    page = (done.folder / "case_report.html").read_text("utf-8")
    assert "has no t1ce" in page
    assert "Inter-discrepancy" not in page


def test_images_that_change_while_they_are_read_give_no_result(
    tiny_bundle: Bundle, tmp_path: Path, write_small_case: CaseWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_late(files: CaseFiles, **options: Any) -> Case:
        case = load_case(files, **options)
        flair = files.images["flair"]
        flair.write_bytes(flair.read_bytes() + b"more")
        return case

    folder = write_small_case(tmp_path / "case")
    monkeypatch.setattr("napari_ddmd.predict.load_case", load_late)
    with pytest.raises(PredictError, match="case: its images changed while they were read"):
        predict_case(find_case_files(folder), tiny_bundle, tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_slices_are_those_of_the_file(small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    settings = PredictSettings(samples=1, steps=1, slices=(5, None))
    done = predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path, settings)
    probability = nibabel.load(done.folder / "Small_001_probability.nii.gz")

    assert done.summary["slices"]["numbers"] == [5, 6, 7]
    assert probability.shape == SHAPE
    assert np.array_equal(probability.affine, LAI_2MM)
    assert np.flatnonzero(np.asanyarray(probability.dataobj).any(axis=(0, 1))).tolist() == [5, 6]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            PredictSettings(slices=(4, 9)),
            r"^Small_001: slices 4:9 are not in the files, which have slices 0:8",
        ),
        (PredictSettings(slices=(5, 5)), r"slices 5:5 are not in"),
        (PredictSettings(slices=(8, None)), r"slices 8:8 are not in"),
        (PredictSettings(sampler="dice"), r"Small_001: sampler must be one of"),
        (PredictSettings(steps=1001), r"Small_001: steps must be 1 to 1000"),
    ],
)
def test_settings_that_do_not_fit_leave_nothing(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path, settings: PredictSettings, message: str
) -> None:
    with pytest.raises(PredictError, match=message):
        predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path, settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("taken_for_a_brain")
def test_remarks_on_the_files_are_passed_on_and_not_warned(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_case_folder, tmp_path / "moved"))
    mask = folder / "Small_001_seg.nii.gz"
    affine = LAI_2MM.copy()
    affine[:3, 3] += 10
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), affine), mask)
    remarks: list[str] = []
    predict_case(find_case_files(folder), tiny_bundle, tmp_path / "out", QUICK, remark=remarks.append)

    assert len(remarks) == 1
    assert "origin" in remarks[0]
    assert issubclass(CaseWarning, UserWarning)


@pytest.mark.usefixtures("taken_for_a_brain")
def test_what_a_run_remarks_is_told_of_its_case(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["napari_ddmd.segment"]
    segment = module.segment

    def short_of_memory(*given: Any, remark: Callable[[str], None], **settings: Any) -> Iterator[Any]:
        remark("Memory was short.")
        return segment(*given, remark=remark, **settings)

    monkeypatch.setattr(module, "segment", short_of_memory)
    remarks: list[str] = []
    predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path / "out", QUICK, remark=remarks.append)
    predict_case(find_case_files(small_case_folder), tiny_bundle, tmp_path / "again", QUICK)

    assert remarks == ["Small_001: Memory was short."]


def test_cases_come_from_folders_files_and_cohorts(tmp_path: Path, write_small_case: CaseWriter) -> None:
    for name in ("b", "a", "c"):
        write_small_case(tmp_path / "cohort" / name)
    alone = write_small_case(tmp_path / "alone")
    cases, faults = collect_cases([tmp_path / "cohort", alone / "alone_t2.nii.gz", alone])

    assert [files.name for files in cases] == ["a", "b", "c", "alone"]
    assert faults == []


def test_a_folder_at_fault_does_not_hide_the_others(tmp_path: Path, write_small_case: CaseWriter) -> None:
    for name in ("a", "b", "c"):
        write_small_case(tmp_path / name)
    shutil.copy(tmp_path / "b" / "b_t1.nii.gz", tmp_path / "b" / "again_t1.nii.gz")
    (tmp_path / ".hidden").mkdir()
    cases, faults = collect_cases([tmp_path, tmp_path / "nowhere"])

    assert [files.name for files in cases] == ["a", "c"]
    assert [str(fault).split(":")[0] for fault in faults] == [str(tmp_path / "b"), str(tmp_path / "nowhere")]


def test_a_study_is_sent_to_its_command(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1").write_bytes(bytes(128) + b"DICM")
    cases, (fault,) = collect_cases([tmp_path])

    assert cases == []
    assert str(fault) == f"{tmp_path}: is a DICOM study; napari-ddmd import-dicom makes a case of it"


def test_a_case_at_fault_is_not_taken_for_a_cohort(tmp_path: Path, write_small_case: CaseWriter) -> None:
    folder = write_small_case(tmp_path / "a")
    shutil.copy(folder / "a_t1.nii.gz", folder / "again_t1.nii.gz")
    (folder / "notes").mkdir()
    cases, (fault,) = collect_cases([folder])

    assert cases == []
    assert "2 files for t1" in str(fault)


def test_a_patient_whose_images_have_other_names_is_a_fault(tmp_path: Path, write_small_case: CaseWriter) -> None:
    folder = write_small_case(tmp_path / "a")
    scan = tmp_path / "b" / "scan.nii.gz"
    scan.parent.mkdir()
    shutil.copy(folder / "a_t1.nii.gz", scan)
    (tmp_path / "logs").mkdir()
    cases, faults = collect_cases([tmp_path])

    assert [files.name for files in cases] == ["a"]
    assert [str(fault).split(":")[0] for fault in faults] == [str(scan)]


def test_cases_of_one_name_are_faults_and_do_not_stop_the_others(tmp_path: Path, write_small_case: CaseWriter) -> None:
    first, second = (write_small_case(tmp_path / site / "001") for site in ("york", "leeds"))
    write_small_case(tmp_path / "york" / "002")
    cases, faults = collect_cases([tmp_path / "york", second, first])

    assert [files.name for files in cases] == ["002"]
    assert [str(fault) for fault in faults] == [
        f"{one}: has the same name as {other}; run them with different --out folders"
        for one, other in ((first, second), (second, first))
    ]


def test_a_fault_counts_once_however_often_its_place_is_given(tmp_path: Path, write_small_case: CaseWriter) -> None:
    bad = write_small_case(tmp_path / "bad")
    shutil.copy(bad / "bad_t1.nii.gz", bad / "twin_t1.nii.gz")
    assert len(collect_cases([bad, bad, tmp_path])[1]) == 1


def test_a_case_is_one_by_whatever_way_it_is_come_to(tmp_path: Path, write_small_case: CaseWriter) -> None:
    folder = write_small_case(tmp_path / "disk" / "a")
    try:
        (tmp_path / "link").symlink_to(tmp_path / "disk")
    except OSError:
        pytest.skip("links need rights here")
    cases, faults = collect_cases([folder, tmp_path / "link" / "a"])
    assert [files.name for files in cases] == ["a"]
    assert faults == []


def test_links_to_what_is_not_there_are_no_patients(tmp_path: Path, write_small_case: CaseWriter) -> None:
    write_small_case(tmp_path / "a")
    (tmp_path / "lost+found").mkdir()
    try:
        for name in ("README", "latest", "participants.tsv"):  # as of a data set of which not all was fetched
            (tmp_path / name).symlink_to(tmp_path / "no-disk")
    except OSError:
        pytest.skip("links need rights here")
    cases, faults = collect_cases([tmp_path])
    assert [files.name for files in cases] == ["a"]
    assert faults == []


def test_files_of_several_cases_in_one_folder_are_told_for_what_they_are(
    tmp_path: Path, write_small_case: CaseWriter
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("a", "b"):
        for file in write_small_case(tmp_path / name).iterdir():
            shutil.copy(file, flat)
    cases, (fault,) = collect_cases([flat])
    assert cases == []
    assert "flat: holds the files of several cases (a_t1.nii.gz and b_t1.nii.gz); give one file of each" in str(fault)
    cases, faults = collect_cases([flat / "a_t1.nii.gz", flat / "b_flair.nii.gz"])
    assert [files.name for files in cases] == ["a", "b"]
    assert faults == []


def test_results_in_the_folder_of_a_case_that_is_named_after_a_modality_are_no_images(
    tmp_path: Path, write_small_case: CaseWriter, tiny_bundle: Bundle
) -> None:
    folder = write_small_case(tmp_path / "patient_t1")
    predict_case(find_case_files(folder), tiny_bundle, folder, QUICK)
    assert len(find_case_files(folder).images) == 4


def test_what_nobody_asks_for_otherwise_is_the_models_own_choice(
    small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    settings = tiny_bundle.settings
    own = replace(settings.sampling, samples=2, threshold=0.6, steps=3, sampler="ddpm")
    bundle = replace(tiny_bundle, settings=replace(settings, sampling=own))
    files = find_case_files(small_case_folder)
    done = predict_case(files, bundle, tmp_path, PredictSettings(slices=(3, 4)))
    made = done.summary["settings"]
    assert (made["samples"], made["threshold"], made["steps"], made["sampler"]) == (2, 0.6, 3, "ddpm")
    assert finished_before(files, bundle, tmp_path, PredictSettings(slices=(3, 4), samples=2)) is not None
