from __future__ import annotations

import dataclasses
import errno
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_ddmd.case import MODALITIES, CaseError, CaseFiles, CaseWarning, find_case_files, load_case
from napari_ddmd.viewer import reader
from napari_ddmd.viewer.case_names import call
from napari_ddmd.viewer.layer_tag import Role, grid_arguments, tag_of
from napari_ddmd.viewer.reader import get_reader
from napari_ddmd.viewer.writer import write_labels
from tests.case.broken import CORPUS, Broken, links, modalities, names
from tests.viewer.conftest import add_case

SAMPLE = (*links.CASES, *modalities.CASES[::3], *names.CASES[::5], *CORPUS[::40])
"""What lies in a folder in a strange way, some of that all, and some of every other fault."""


def read(path: Any) -> list[Any]:
    function = get_reader(path)
    assert function is not None
    return list(function(path))


@pytest.fixture
def in_viewer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], ViewerModel]:
    """Read into a viewer that is the current one."""
    viewer = ViewerModel()
    monkeypatch.setattr(reader, "_open_layers", lambda: viewer.layers)

    def open_(path: Any) -> ViewerModel:
        for layer in read(path):
            if layer[0] is not None:
                viewer.add_layer(Layer.create(*layer))
        return viewer

    return open_


def test_a_folder_is_read_as_the_whole_case(small_case_folder: Path) -> None:
    layers = read(str(small_case_folder))
    case = load_case(small_case_folder)
    assert [arguments["name"] for _data, arguments, _kind in layers] == [*MODALITIES, "expert mask"]
    np.testing.assert_array_equal(np.stack([layer[0] for layer in layers[:4]]), case.images)


@pytest.mark.parametrize("kind", [*MODALITIES, "seg"])
def test_any_file_opens_the_whole_case(small_case_folder: Path, kind: str) -> None:
    file = next(small_case_folder.glob(f"*_{kind}.nii.gz"))
    assert len(read(str(file))) == 5


def test_all_files_at_once_are_one_case(small_case_folder: Path) -> None:
    assert len(read([str(file) for file in sorted(small_case_folder.iterdir())])) == 5


def test_files_dropped_together_open_the_case_once(
    small_case_folder: Path, in_viewer: Callable[[Any], ViewerModel]
) -> None:
    for file in sorted(small_case_folder.iterdir()):
        viewer = in_viewer(str(file))
    assert len(viewer.layers) == 5


def test_a_layer_that_was_closed_comes_back_alone(
    small_case_folder: Path, in_viewer: Callable[[Any], ViewerModel]
) -> None:
    viewer = in_viewer(str(small_case_folder))
    tag = tag_of(viewer.layers["flair"])
    viewer.layers.remove("flair")
    in_viewer(str(small_case_folder))
    assert sorted(layer.name for layer in viewer.layers) == sorted([*MODALITIES, "expert mask"])
    returned = tag_of(viewer.layers["flair"])
    assert tag is not None
    assert returned is not None
    assert returned.case is tag.case


def test_a_nifti_of_no_case_is_left_to_others(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    for name in ("brain.nii.gz", "scan_t1.nii"):
        nibabel.save(image, tmp_path / name)
        assert get_reader(str(tmp_path / name)) is None


def test_a_stranger_beside_a_case_is_left_to_others(tmp_path: Path, write_small_case: Callable[..., Path]) -> None:
    folder = write_small_case(tmp_path / "Case_1")
    stranger = folder / "atlas.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), stranger)
    assert get_reader(str(stranger)) is None


@pytest.mark.parametrize("name", ["", "notes.txt", "missing_t1.nii.gz"])
def test_what_is_no_case_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    assert get_reader(str(tmp_path / name)) is None


def test_files_of_two_cases_are_not_mixed(tmp_path: Path, write_small_case: Callable[..., Path]) -> None:
    folders = [write_small_case(tmp_path / name) for name in ("A_1", "B_2")]
    assert get_reader([str(folder) for folder in folders]) is None
    assert get_reader([]) is None


def test_a_folder_with_a_missing_modality_says_which(tmp_path: Path, write_small_case: Callable[..., Path]) -> None:
    folder = write_small_case(tmp_path / "Case_1", skip=("t2", "t1"))
    with pytest.raises(CaseError, match="no image for t1"):
        read(str(folder))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("scan.nii", "tells no modality"),
        ("scan.nii.gz", "tells no modality"),
        ("Case_1_t1.MHA", "convert it to NIfTI"),
    ],
)
def test_a_folder_of_images_that_is_no_case_says_why(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CaseError, match=reason):
        read(str(tmp_path))


@pytest.mark.parametrize(
    "names",
    [("Case_1_mask.nii.gz", "scan.nii.gz", "summary.json"), ("Case_1_mask.nii.gz", "Case_1_probability.nii.gz")],
)
def test_an_empty_folder_and_one_of_results_say_what_to_choose(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "Case_1"
    folder.mkdir()
    (folder / ".DS_Store").write_bytes(b"")
    with pytest.raises(CaseError, match="Case_1: holds no image of a BRATS case; choose the folder"):
        read(str(folder))
    for name in names:
        (folder / name).write_bytes(b"")
    with pytest.raises(CaseError, match="Case_1: holds results of a case; choose the folder with its images"):
        read(str(folder))


def test_a_folder_with_two_files_for_a_modality_says_which(
    tmp_path: Path, write_small_case: Callable[..., Path]
) -> None:
    folder = write_small_case(tmp_path / "Case_1")
    (folder / "copy_t1.nii.gz").write_bytes(b"")
    with pytest.raises(CaseError, match="2 files for t1"):
        read(str(folder))


@pytest.mark.parametrize("name", ["below/scan.nii", "._scan.nii.gz", "scan.nrrd"])
def test_a_folder_without_such_images_is_left_to_others(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"")
    assert get_reader(str(tmp_path)) is None


def test_a_mask_that_was_saved_under_another_name_opens_on_its_case(
    small_case_folder: Path, saved_mask: Path, in_viewer: Callable[[Any], ViewerModel]
) -> None:
    viewer = in_viewer(str(small_case_folder))
    mask = saved_mask.rename(saved_mask.with_name("Patient 7_mask.nii.gz"))
    assert get_reader(str(mask)) is None
    tag = tag_of(viewer.layers["flair"])
    assert tag is not None
    call(tag.case, "Patient 7")
    in_viewer(str(mask))
    np.testing.assert_allclose(viewer.layers["Patient 7_mask"].translate, viewer.layers["flair"].translate)


def test_a_saved_mask_opens_on_its_case(
    small_case_folder: Path, saved_mask: Path, in_viewer: Callable[[Any], ViewerModel]
) -> None:
    assert get_reader(str(saved_mask)) is None
    viewer = in_viewer(str(small_case_folder))
    in_viewer(str(saved_mask))
    layer = viewer.layers["Small_001_mask"]
    tag = tag_of(layer)
    assert tag is not None
    assert tag.role == Role.LESION
    np.testing.assert_array_equal(layer.data, tag.case.mask)
    assert tag.case.files == find_case_files(small_case_folder)


@pytest.mark.parametrize(("label", "is_read"), [(5, True), (255, True), (256, False)])
def test_a_mask_with_labels_of_ones_own_is_opened_as_it_was_saved(
    label: int, is_read: bool, small_case_folder: Path, tmp_path: Path, in_viewer: Callable[[Any], ViewerModel]
) -> None:
    viewer = in_viewer(str(small_case_folder))
    case = tag_of(viewer.layers["flair"]).case
    labels = np.zeros(case.grid.shape, np.int32)
    labels[4, 10:14, 10:14], labels[5, 10:14, 10:14] = 1, label
    path = tmp_path / f"{case.name}_mask.nii.gz"
    write_labels(str(path), labels, {"name": "lesion", **grid_arguments(case, Role.LESION)})
    if is_read:
        in_viewer(str(path))
        np.testing.assert_array_equal(viewer.layers[path.name.split(".")[0]].data, labels)
    else:
        assert refusal(path).endswith("holds label 256; give a mask with labels 0 to 255")


def test_a_saved_mask_opens_on_the_case_it_lies_beside(
    tmp_path: Path, write_small_case: Callable[..., Path], in_viewer: Callable[[Any], ViewerModel]
) -> None:
    folders = [write_small_case(tmp_path / patient / "T0") for patient in ("Patient_1", "Patient_2")]
    for folder in folders:
        viewer = in_viewer(str(folder))
    for folder in (folders[1], tmp_path):
        mask = folder / "T0_mask.nii.gz"
        shutil.copy(folders[1] / "T0_seg.nii.gz", mask)
        if folder == tmp_path:  # beside none of them: the one that is on show
            for layer in viewer.layers:
                layer.visible = tag_of(layer).case.files.images["t1"].parent == folders[0]
        in_viewer(str(mask))
        owner = tag_of(viewer.layers[-1]).case.files.images["t1"].parent
        assert owner == folders[folder == folders[1]]


@pytest.mark.parametrize("layout", ["own folder", "among others", "a folder each"])
def test_a_saved_mask_of_another_patient_of_that_name_is_not_laid_on_this_one(
    layout: str, tmp_path: Path, write_small_case: Callable[..., Path], in_viewer: Callable[[Any], ViewerModel]
) -> None:
    """All BRATS cases share one grid, so that it would fit."""
    viewer = in_viewer(str(write_small_case(tmp_path / "p1" / "MR")))
    other = write_small_case(tmp_path / "p2" / "MR")
    image = other / "MR_t1.nii.gz"
    mask = other / "MR_mask.nii.gz"
    (other / "MR_seg.nii.gz").rename(mask)
    if layout == "among others":
        for file in write_small_case(tmp_path / "p3" / "XY").iterdir():
            file.rename(other / file.name)
        other = other.rename(tmp_path / "p2" / "all")
    elif layout == "a folder each":
        for modality in MODALITIES:
            (other / modality).mkdir()
            (other / f"MR_{modality}.nii.gz").rename(other / modality / f"MR_{modality}.nii.gz")
        image = other / "t1" / image.name
    mask, image = (other / file.relative_to(tmp_path / "p2" / "MR") for file in (mask, image))
    count = len(viewer.layers)
    with pytest.raises(CaseError, match=r"MR_mask\.nii\.gz: lies beside .* case called MR; open that case first"):
        in_viewer(str(mask))
    assert len(viewer.layers) == count
    in_viewer(str(image))
    in_viewer(str(mask))
    assert tag_of(viewer.layers[-1]).case.files.images["t1"] == image


def test_a_mask_opens_on_a_case_that_knows_no_files(
    tmp_path: Path, write_small_case: Callable[..., Path], in_viewer: Callable[[Any], ViewerModel]
) -> None:
    folder = write_small_case(tmp_path / "MR")
    case = load_case(folder)
    (folder / "MR_seg.nii.gz").rename(folder / "MR_mask.nii.gz")
    viewer = in_viewer(str(folder / "MR_t1.nii.gz"))
    viewer.layers.clear()
    add_case(viewer, dataclasses.replace(case, files=CaseFiles("MR", {})))  # as of a session that holds its images
    in_viewer(str(folder / "MR_mask.nii.gz"))
    assert viewer.layers[-1].name == "MR_mask"


def test_a_saved_mask_that_lies_elsewhere_opens_on_the_case_of_its_name(
    tmp_path: Path, write_small_case: Callable[..., Path], in_viewer: Callable[[Any], ViewerModel]
) -> None:
    viewer = in_viewer(str(write_small_case(tmp_path / "p1" / "MR")))
    results = write_small_case(tmp_path / "p2" / "other")  # of another name
    (results / "other_seg.nii.gz").rename(results / "MR_mask.nii.gz")
    in_viewer(str(results / "MR_mask.nii.gz"))
    assert viewer.layers[-1].name == "MR_mask"


def test_reading_loads_neither_torch_nor_qt(small_case_folder: Path) -> None:
    code = (
        "import sys\n"
        "from napari_ddmd.viewer.reader import get_reader\n"
        f"layers = get_reader({str(small_case_folder)!r})('')\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(len(layers), sorted(loaded & {'torch', 'PyQt6', 'PySide6', 'diffusers'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "5 []"


@pytest.mark.parametrize(("missing", "seen"), [("t2", "flair"), ("flair", "t2")])
def test_a_case_that_lacks_one_image_opens_with_the_others(
    tmp_path: Path, write_small_case: Callable[..., Path], missing: str, seen: str
) -> None:
    folder = write_small_case(tmp_path / "Case_1", skip=(missing,))
    reader = get_reader(str(folder))
    assert reader is not None
    with pytest.warns(CaseWarning, match=f"has no {missing}"):
        layers = reader(str(folder))
    names = [layer[1]["name"] for layer in layers]
    assert missing not in names
    assert len(names) == 4
    assert [layer[1]["name"] for layer in layers if layer[1].get("visible")] == [seen]


def refusal(path: Path) -> str:
    """Why a path is not opened; empty where it is, or is left to other plugins."""
    function = get_reader(str(path))  # napari shows what this raises as a crash of the plugin
    if function is None:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        try:
            function(str(path))
        except CaseError as error:
            return str(error)
    return ""


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("broken", [pytest.param(case, id=re.sub(r"[^\w.=,-]+", "-", case.name)) for case in SAMPLE])
def test_a_broken_case_is_refused_or_opened_or_says_in_one_line_why(broken: Broken, tmp_path: Path) -> None:
    case = broken.write(tmp_path)
    for path in (case, *sorted(tmp_path.rglob("*"))):
        why = refusal(path)
        assert len(why.splitlines()) <= 1
        assert not why or str(tmp_path) in why


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("kind", ["t1", "t2"])
def test_a_case_whose_t1_is_a_dead_link_says_so_whatever_file_is_dropped(
    kind: str, tmp_path: Path, write_small_case: Callable[..., Path]
) -> None:
    folder = write_small_case(tmp_path / "Case_1", skip=("t1",))
    (folder / "Case_1_t1.nii.gz").symlink_to(".git/annex/objects/lost")
    function = get_reader(str(folder / f"Case_1_{kind}.nii.gz"))
    assert (function is None) == (kind == "t1")  # the link itself is no file
    if function is not None:
        with pytest.raises(CaseError, match=r"Case_1_t1\.nii\.gz: no such file; check the path"):
            function("")


@pytest.mark.fault("Bad input")
@pytest.mark.parametrize("method", ["samefile", "is_dir", "is_file", "exists", "iterdir", "lstat"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG])
def test_whatever_the_system_says_of_a_path_it_is_refused_or_told_in_one_line(
    number: int, method: str, small_case_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_rest: Any, **_more: Any) -> Any:
        raise OSError(number, os.strerror(number), str(path))

    paths = (small_case_folder, next(small_case_folder.glob("*_t2.nii.gz")))
    monkeypatch.setattr(Path, method, fail)
    for path in paths:
        assert len(refusal(path).splitlines()) <= 1


def test_a_name_that_can_be_none_is_refused() -> None:
    for name in ("x" * 5000, "/tmp/\0_t1.nii.gz", "/tmp/\ud800_t1.nii.gz"):
        assert get_reader(name) is None
