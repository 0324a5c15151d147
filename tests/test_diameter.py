from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from skimage.measure import find_contours

from napari_ddmd.diameter import longest_axial_diameter

SPACING = st.tuples(*[st.floats(0.3, 6.0)] * 3)


def along_the_outline(image: NDArray[np.bool_], spacing: tuple[float, ...]) -> float:
    """The largest distance between any two points of the outline, by looking at all of them."""
    outline = np.concatenate(find_contours(np.pad(image, 1).astype(float), 0.5))
    return float(pdist(outline * spacing).max())


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))), SPACING)
def test_it_is_the_largest_distance_between_points_of_the_outline(
    mask: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> None:
    mask[0, 0, 0] = True
    diameter, index = longest_axial_diameter(mask, spacing)
    expected = [along_the_outline(image, spacing[1:]) if image.any() else 0.0 for image in mask]
    assert diameter == pytest.approx(max(expected))
    assert expected[index] == pytest.approx(max(expected))
    assert expected[:index] == [] or max(expected[:index]) < diameter + 1e-9


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))),
    SPACING,
    st.floats(0.1, 10.0),
)
def test_it_grows_with_the_spacing_and_does_not_care_which_way_the_image_lies(
    mask: NDArray[np.bool_], spacing: tuple[float, float, float], factor: float
) -> None:
    mask[0, 0, 0] = True
    diameter = longest_axial_diameter(mask, spacing)[0]
    assert longest_axial_diameter(mask, [size * factor for size in spacing])[0] == pytest.approx(diameter * factor)
    assert longest_axial_diameter(mask[:, ::-1, ::-1], spacing)[0] == pytest.approx(diameter)
    turned = longest_axial_diameter(mask.transpose(0, 2, 1), (spacing[0], spacing[2], spacing[1]))[0]
    assert turned == pytest.approx(diameter)


@pytest.mark.parametrize(
    ("rows", "columns", "diameter"),
    [
        (slice(3, 4), slice(2, 12), 10 * 0.5),
        (slice(3, 13), slice(2, 3), 10 * 2.0),
        (slice(3, 4), slice(2, 3), 2.0),  # one voxel: its longer side
    ],
)
def test_ten_voxels_in_a_row_measure_ten_voxels(rows: slice, columns: slice, diameter: float) -> None:
    mask = np.zeros((3, 20, 20), bool)
    mask[1, rows, columns] = True
    assert longest_axial_diameter(mask, (9.0, 2.0, 0.5)) == (pytest.approx(diameter), 1)


def test_a_round_lesion_measures_its_diameter_and_height_does_not_count() -> None:
    s, h, w = np.indices((40, 64, 64))
    mask = (s - 20) ** 2 / 400 + (h - 31.5) ** 2 / 900 + (w - 31.5) ** 2 / 900 <= 1
    diameter, index = longest_axial_diameter(mask, (10.0, 1.0, 1.0))
    assert diameter == pytest.approx(60, abs=1)
    assert abs(index - 20) <= 2


def test_parts_of_one_slice_are_spanned() -> None:
    mask = np.zeros((1, 5, 30), bool)
    mask[0, 2, [3, 22]] = True
    assert longest_axial_diameter(mask, (1, 1, 1))[0] == pytest.approx(20)
