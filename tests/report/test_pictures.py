from __future__ import annotations

import io
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import Case
from napari_ddmd.report.pictures import key_slices, map_pictures, score_plot, slice_pictures
from napari_ddmd.saveable import Saveable
from tests.results import finished


def pixels(png: bytes) -> NDArray[np.float32]:
    image: NDArray[np.float32] = matplotlib.image.imread(io.BytesIO(png))[..., :3]
    return image


@pytest.fixture
def content(small_case: Case) -> Saveable:
    volumes = finished(small_case)
    return Saveable(case=small_case, mask=volumes.mask(), volumes=volumes, is_models=True)


def yellow(image: NDArray[np.float32]) -> int:
    return int(((image[..., 0] > 0.8) & (image[..., 1] > 0.6) & (image[..., 2] < 0.3)).sum())


def cyan(image: NDArray[np.float32]) -> int:
    return int(((image[..., 0] < 0.3) & (image[..., 1] > 0.6) & (image[..., 2] > 0.8)).sum())


def test_key_slices_are_those_of_the_largest_area() -> None:
    case = Case.from_arrays("big", np.ones((4, 20, 30, 40)))
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[2:5, 2:4, 2:4] = 1
    mask[3, 2:9, 2:9] = 1
    mask[3, 20:30, 20:40] = 1  # another lesion of the same slice
    mask[10:12, 5, 5] = 1
    mask[15, 5, 5] = 1
    found = key_slices(Saveable(case=case, mask=mask))
    assert [(lesion.label, index) for lesion, index in found] == [(1, 3), (2, 3), (3, 10)]


def test_the_outline_is_drawn(content: Saveable, small_case: Case) -> None:
    (picture,) = slice_pictures(content)
    assert picture.caption == "Lesion 1: FLAIR, slice 4"
    assert yellow(pixels(picture.png)) > 100
    assert cyan(pixels(picture.png)) == 0
    empty = Saveable(case=small_case, mask=np.zeros_like(content.mask), with_expert=True, volumes=content.volumes)
    (picture,) = slice_pictures(empty)
    assert yellow(pixels(picture.png)) == 0
    assert cyan(pixels(picture.png)) > 50
    assert picture.alt == "Axial FLAIR slice 4 without a lesion in the mask."


def test_maps_have_a_scale_and_words(content: Saveable) -> None:
    pictures = map_pictures(content)
    assert [picture.caption for picture in pictures] == [
        "Inter-discrepancy, slice 4",
        "Intra-discrepancy, slice 4",
        "Uncertainty (bits), slice 4",
    ]
    assert "colours from 0 to 0.04" in pictures[0].alt
    assert "colours from 0 to 1," in pictures[2].alt


def test_the_plot_counts_as_the_files_do(content: Saveable) -> None:
    plot = score_plot(content)
    assert plot is not None
    assert plot.alt.endswith("The expected lesion area is largest on slice 4.")
    assert pixels(plot.png).shape[1] > 1000


def test_nothing_is_largest_where_nothing_is_expected(small_case: Case) -> None:
    volumes = finished(small_case)
    volumes.probability[:] = 0
    plot = score_plot(Saveable(case=small_case, mask=volumes.mask(), volumes=volumes, is_models=True))
    assert plot is not None
    assert plot.alt.endswith("expected lesion area in cm².")


def test_pictures_leave_pyplot_and_its_windows_alone() -> None:
    code = (
        "import sys\nimport napari_ddmd.report\nfrom napari_ddmd.report import pictures\n"
        "sys.exit('pyplot' if 'matplotlib.pyplot' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
