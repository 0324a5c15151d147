from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from napari.utils.notifications import Notification

from napari_ddmd.case import CaseWarning
from napari_ddmd.viewer import remarks
from napari_ddmd.viewer.reader import get_reader
from napari_ddmd.viewer.remarks import in_short, tell


@pytest.fixture
def in_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remarks, "viewer_in_window", object)


def test_a_message_begins_with_the_file_not_with_its_folders(tmp_path: Path) -> None:
    assert in_short(f"{tmp_path / 'x_t1.nii.gz'}: is cut short: copy it") == "x_t1.nii.gz: is cut short: copy it"
    assert (
        in_short(f"{tmp_path / 'x_t1.nii.gz'}: is cut short", parts=2) == f"{tmp_path.name}/x_t1.nii.gz: is cut short"
    )
    for whole in ("Case_1: has no t2", "has no t2", f"see {tmp_path}: it is empty"):
        assert in_short(whole) == whole


def test_folders_may_hold_what_ends_a_path_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "study: one" / "case"
    folder.mkdir(parents=True)
    file = folder / "x_t1.nii.gz"
    for _ in range(2):  # without the file, and with it
        assert in_short(f"{file}: is cut short: copy it") == "x_t1.nii.gz: is cut short: copy it"
        file.touch()
    assert in_short(f"{folder}: is empty", parts=2) == "study: one/case: is empty"
    assert in_short(f"{file}: {'long ' * 500}: copy it").startswith("x_t1.nii.gz: long")


def test_without_a_window_python_warns() -> None:
    with pytest.warns(CaseWarning, match="left and right may be swapped"):
        tell("left and right may be swapped")


@pytest.mark.usefixtures("in_a_window")
def test_a_window_tells_each_time(notifications: list[Notification], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", lambda *_args: None)  # as the workers of napari do while they run
    tell("has no t2")
    tell("has no t2")
    assert [(note.message, note.severity) for note in notifications] == [("has no t2", "warning")] * 2


@pytest.mark.usefixtures("in_a_window")
def test_what_a_reader_remarks_is_told_in_the_window(
    tmp_path: Path, write_small_case: Callable[..., Path], notifications: list[Notification]
) -> None:
    folder = str(write_small_case(tmp_path / "Case_1", skip=("t2",)))
    for _ in range(2):
        reader = get_reader(folder)
        assert reader is not None
        reader(folder)
    assert [note.message for note in notifications] == ["Case_1: has no t2; what is found without it is less sure"] * 2
