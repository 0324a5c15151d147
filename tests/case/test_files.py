from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_ddmd.case import MODALITIES, CaseError, case_places, files, find_case_files, find_cases
from napari_ddmd.case.listing import RESULT
from napari_ddmd.export import file_names

from .conftest import WriteCase, WriteNifti, volume

_VSD = {
    "t1": "VSD.Brain.XX.O.MR_T1.54513",
    "t1ce": "VSD.Brain.XX.O.MR_T1c.54514",
    "t2": "VSD.Brain.XX.O.MR_T2.54515",
    "flair": "VSD.Brain.XX.O.MR_Flair.54512",
    "seg": "VSD.Brain_3more.XX.O.OT.54517",
}
NAMINGS = {
    "2012": {
        "t1": "BRATS_HG0001_T1.nii",
        "t1ce": "BRATS_HG0001_T1C.nii",
        "t2": "BRATS_HG0001_T2.nii",
        "flair": "BRATS_HG0001_FLAIR.nii",
        "seg": "BRATS_HG0001_truth.nii",
    },
    "vsd flat": {kind: f"{name}.nii" for kind, name in _VSD.items()},
    "vsd folders": {kind: f"{name}/{name}.nii.gz" for kind, name in _VSD.items()},
    "named folders": {kind: f"{name}/image.nii.gz" for kind, name in _VSD.items()},
    "2021": {kind: f"BraTS2021_1_{kind}.nii.gz" for kind in _VSD},
    "upper case": {kind: f"BRATS2021_1_{kind.upper()}.NII.GZ" for kind in _VSD},
    "2023": {
        "t1": "BraTS-GLI-1-000-t1n.nii.gz",
        "t1ce": "BraTS-GLI-1-000-t1c.nii.gz",
        "t2": "BraTS-GLI-1-000-t2w.nii.gz",
        "flair": "BraTS-GLI-1-000-t2f.nii.gz",
        "seg": "BraTS-GLI-1-000-seg.nii.gz",
    },
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_case_is_found_by_its_folder_and_by_any_of_its_files(write_case: WriteCase, naming: str) -> None:
    names = NAMINGS[naming]
    folder = write_case("patient", names)

    for start in (folder, *(folder / file for file in names.values())):
        files = find_case_files(start)
        assert files.name == "patient"
        assert tuple(files.images) == MODALITIES
        assert files.images == {kind: folder / names[kind] for kind in MODALITIES}
        assert files.mask == folder / names["seg"]


def test_a_whole_case_in_a_folder_named_after_a_modality(write_case: WriteCase) -> None:
    folder = write_case("study t1")
    assert find_case_files(folder / "study t1_flair.nii.gz").images["t2"] == folder / "study t1_t2.nii.gz"
    assert find_case_files(folder / "study t1_t1.nii.gz").name == "study t1"


def test_the_current_folder_has_a_name_too(write_case: WriteCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_case("patient"))
    assert find_case_files(".").name == "patient"


def test_a_missing_modality_is_left_for_the_user_to_assign(write_case: WriteCase) -> None:
    files = find_case_files(write_case(skip=("t2", "seg")))
    assert tuple(files.images) == ("t1", "t1ce", "flair")
    assert files.mask is None


def test_files_that_are_no_images_are_passed_over(write_case: WriteCase) -> None:
    folder = write_case("patient")
    (folder / "._patient_t1.nii.gz").write_bytes(b"macOS")
    (folder / "notes_t1.txt").write_text("none")
    shutil.copy(folder / "patient_seg.nii.gz", folder / "patient_mask.nii.gz")
    assert find_case_files(folder).images["t1"].name == "patient_t1.nii.gz"
    assert find_case_files(folder).mask == folder / "patient_seg.nii.gz"


def test_two_files_for_a_modality_are_refused(write_case: WriteCase, write_nifti: WriteNifti) -> None:
    folder = write_case("patient")
    write_nifti(folder / "patient_t1.nii", volume("t1"))
    for start in (folder, folder / "patient_t2.nii.gz"):
        with pytest.raises(CaseError, match=r"2 files for t1 \(patient_t1.nii and patient_t1.nii.gz\)"):
            find_case_files(start)


def test_two_masks_are_refused(write_case: WriteCase, write_nifti: WriteNifti) -> None:
    folder = write_case("patient")
    write_nifti(folder / "other_seg.nii.gz", volume("seg"))
    with pytest.raises(CaseError, match="2 files for seg"):
        find_case_files(folder)


def test_a_file_picks_its_case_out_of_a_folder_of_many(write_case: WriteCase) -> None:
    for case in ("A_1", "B_2"):
        write_case("all", {kind: f"{case}_{kind}.nii.gz" for kind in (*MODALITIES, "seg")})
    folder = write_case("all", {})
    files = find_case_files(folder / "B_2_flair.nii.gz")
    assert files.name == "B_2"
    assert {file.name for file in (*files.images.values(), files.mask) if file} == {
        f"B_2_{kind}.nii.gz" for kind in (*MODALITIES, "seg")
    }


def test_an_assignment_wins_over_names(write_case: WriteCase, write_nifti: WriteNifti) -> None:
    folder = write_case("patient")
    other = write_nifti(folder / "patient_t1.nii", volume("t1"))
    files = find_case_files(folder, assignment={"t1": other, "seg": folder / "drawn.nii"})
    assert files.images["t1"] == other
    assert files.mask == folder / "drawn.nii"


def test_an_assignment_may_be_relative(write_case: WriteCase, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_case()
    monkeypatch.chdir(folder)
    files = find_case_files(folder, assignment={"t1": Path("patient_t1.nii.gz")})
    assert files.images["t1"] == folder / "patient_t1.nii.gz"


def test_an_assignment_must_make_sense(write_case: WriteCase) -> None:
    folder = write_case("patient")
    with pytest.raises(CaseError, match="no modality is called 'pd'"):
        find_case_files(folder, assignment={"pd": folder / "patient_t1.nii.gz"})
    with pytest.raises(CaseError, match=r"patient_t1\.nii\.gz: given as t1 and as t2"):
        find_case_files(folder, assignment={"t2": folder / "patient_t1.nii.gz"})


@pytest.mark.parametrize("extension", ["mha", "MHA", "mhd", "nrrd", "hdr"])
def test_other_formats_are_named_with_what_to_do(write_case: WriteCase, extension: str) -> None:
    folder = write_case("patient", skip=("t2",))
    image = folder / f"patient_t2.{extension}"
    image.write_bytes(b"ObjectType = Image")
    for start in (folder, image):
        with pytest.raises(CaseError, match=rf"patient_t2\.{extension}: .* convert it to NIfTI"):
            find_case_files(start)


def test_a_converted_copy_beside_the_original_is_taken(write_case: WriteCase) -> None:
    folder = write_case("patient")
    (folder / "patient_t2.mha").write_bytes(b"ObjectType = Image")
    assert find_case_files(folder).images["t2"].name == "patient_t2.nii.gz"


def test_paths_that_hold_no_case(tmp_path: Path, write_nifti: WriteNifti) -> None:
    with pytest.raises(CaseError, match="nowhere: no such file or folder"):
        find_case_files(tmp_path / "nowhere")
    with pytest.raises(CaseError, match="holds no image of a BRATS case"):
        find_case_files(tmp_path)
    with pytest.raises(CaseError, match="holds no image of a BRATS case"):
        find_cases(tmp_path)
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(CaseError, match=r"notes\.txt: not a NIfTI file"):
        find_case_files(tmp_path / "notes.txt")
    write_nifti(tmp_path / "scan.nii", volume("t1"))
    with pytest.raises(CaseError, match=r"scan\.nii: its name tells no modality; rename it"):
        find_case_files(tmp_path)


def test_cases_are_found_below_a_folder(write_case: WriteCase, tmp_path: Path) -> None:
    for name in ("HGG/case_b", "LGG/case_a", "case_c"):
        write_case(name)
    write_case("HGG/vsd", NAMINGS["vsd folders"])
    (tmp_path / "logs").mkdir()
    assert [files.name for files in find_cases(tmp_path)] == ["case_a", "case_b", "case_c", "vsd"]
    assert [files.name for files in find_cases(tmp_path / "HGG")] == ["case_b", "vsd"]


def test_a_case_is_a_list_of_one_case(write_case: WriteCase) -> None:
    folder = write_case("patient")
    for start in (folder, folder / "patient_t1.nii.gz"):
        assert [files.name for files in find_cases(start)] == ["patient"]


def test_one_bad_case_is_told_before_any_is_run(write_case: WriteCase, tmp_path: Path) -> None:
    write_case("a")
    bad = write_case("b")
    shutil.copy(bad / "b_t1.nii.gz", bad / "copy_t1.nii.gz")
    with pytest.raises(CaseError, match="2 files for t1"):
        find_cases(tmp_path)


def test_a_patient_whose_images_have_other_names_is_told(write_case: WriteCase, tmp_path: Path) -> None:
    write_case("a")
    odd = write_case("HGG/odd", {"t1": "scan_1.nii.gz", "t2": "scan_2.nii.gz"})
    (tmp_path / "logs").mkdir()
    assert case_places(tmp_path) == [odd, tmp_path / "a"]
    with pytest.raises(CaseError, match=r"scan_1\.nii\.gz: its name tells no modality; rename it"):
        find_cases(tmp_path)


def test_images_beside_case_folders_are_no_case(write_case: WriteCase, write_nifti: WriteNifti, tmp_path: Path) -> None:
    write_nifti(tmp_path / "atlas.nii.gz", volume("t1"))
    write_nifti(tmp_path / "HGG" / "atlas.nii.gz", volume("t1"))
    write_case("HGG/case_b")
    assert [files.name for files in find_cases(tmp_path)] == ["case_b"]


def test_results_are_no_patient(write_case: WriteCase, write_nifti: WriteNifti, tmp_path: Path) -> None:
    results = tmp_path / "results" / "a"
    write_nifti(results / "a_mask.nii.gz", volume("seg"))
    (results / "summary.json").write_text("{}")
    folder = write_case("a")
    assert case_places(tmp_path) == [folder]
    (results / "summary.json").unlink()
    assert case_places(tmp_path) == [folder, results]


def test_a_case_that_cannot_be_listed_does_not_hide_the_others(
    write_case: WriteCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = write_case("a"), write_case("b")
    (bad / "t2").mkdir()
    iterdir = Path.iterdir

    def refuse(self: Path) -> Iterator[Path]:
        if self.name == "t2":
            raise PermissionError(errno.EACCES, "Permission denied")
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert case_places(tmp_path) == [good, bad]
    with pytest.raises(CaseError, match=r"t2: cannot be opened \(Permission denied\)"):
        find_cases(tmp_path)


@pytest.mark.parametrize("start", [".", "patient_t1.nii.gz"])
def test_a_case_and_each_of_its_files_stand_for_themselves(
    write_case: WriteCase, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    folder = write_case("patient")
    monkeypatch.chdir(folder)
    assert case_places(start) == [folder / start]


def test_each_folder_of_a_web_of_links_is_searched_once(
    tmp_path: Path, write_case: WriteCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"site_{number:02}" for number in range(30)]
    for name in names:
        (tmp_path / name).mkdir()
        for other in names:
            (tmp_path / name / other).symlink_to(tmp_path / other)
    write_case(tmp_path / names[-1] / "patient")
    listed: list[Path] = []
    list_case = files._list_case
    monkeypatch.setattr(files, "_list_case", lambda folder: (listed.append(folder), list_case(folder))[1])

    assert [found.name for found in find_cases(tmp_path)] == ["patient"]
    assert len(listed) < 5 * len(names)


@pytest.mark.parametrize("name", ["GT_001", "study_T1_007"])
def test_what_was_saved_of_a_case_is_none_of_its_images(name: str, write_case: WriteCase) -> None:
    """The case's name is in the names of the results, and may hold a word that tells a modality."""
    folder = write_case(name, skip=("seg",))
    before = find_case_files(folder)
    assert before.mask is None
    for kind in ("mask", "probability", "inter"):
        (folder / f"{name}_{kind}.nii.gz").write_bytes(b"")
    assert find_case_files(folder) == before


def test_every_volume_that_is_written_is_known_as_a_result() -> None:
    volumes = [name for name in file_names("Case_1") if name.endswith(".nii.gz")]
    assert len(volumes) >= 5
    assert all(RESULT.search(name) for name in volumes)


def test_a_mask_in_a_folder_of_its_kind_is_no_result(tmp_path: Path, write_case: WriteCase) -> None:
    folder = write_case(tmp_path / "patient")
    mask = next(folder.glob("*seg*"))
    (folder / "seg").mkdir()
    mask.rename(folder / "seg" / "seg_mask.nii.gz")
    found = find_case_files(folder)
    assert found.mask == folder / "seg" / "seg_mask.nii.gz"
