from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_ddmd.case import CaseError
from napari_ddmd.viewer.freed import free_frames
from napari_ddmd.viewer.reader import get_reader


def kept(error: BaseException) -> list[str]:
    """Names of the arrays that the frames of an error keep, and of those that led to it."""
    names = []
    found: BaseException | None = error
    while found is not None:
        for frame, _line in traceback.walk_tb(found.__traceback__):
            names += [name for name, value in frame.f_locals.items() if isinstance(value, np.ndarray)]
        found = found.__cause__ or found.__context__
    return names


def fail() -> None:
    images = np.zeros(3)
    try:
        raise KeyError(images.size)
    except KeyError as error:
        raise ValueError("bad") from error


def test_nothing_is_left_but_where_it_happened() -> None:
    with pytest.raises(ValueError, match="bad") as caught:
        fail()
    assert kept(caught.value) == ["images", "images"]
    free_frames(caught.value)
    assert kept(caught.value) == []
    assert "in fail" in "".join(traceback.format_exception(caught.value))


def test_errors_that_led_to_each_other_come_to_an_end() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    free_frames(one)
    free_frames(None)


@pytest.mark.fault("Viewer")
def test_napari_keeps_no_voxels_of_a_case_that_is_refused(
    tmp_path: Path, write_small_case: Callable[..., Path]
) -> None:
    folder = write_small_case(tmp_path / "Case_1")
    t1, t2 = (next(folder.glob(f"*_{kind}.nii.gz")) for kind in ("t1", "t2"))
    shutil.copyfile(t1, t2)  # which is known when all is read
    reader = get_reader(str(folder))
    assert reader is not None
    with pytest.raises(CaseError, match="same image") as caught:
        reader(str(folder))
    assert kept(caught.value) == []
