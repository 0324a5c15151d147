from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_ddmd.editing import nearest_labels


@pytest.mark.parametrize(("spacing", "between"), [((5, 1, 1), 4), ((1, 1, 9), 1)])
def test_what_is_added_gets_the_label_that_is_nearest_in_millimetres(spacing: tuple[float, ...], between: int) -> None:
    labels = np.zeros((4, 9, 9), np.int32)
    labels[0, 4, 4], labels[2, 4, 6], labels[3, 0, 0] = 1, 4, 2
    added = np.zeros(labels.shape, bool)
    added[0, 4, 5] = added[2, 4, 4] = added[3, 0, 1] = True
    assert nearest_labels(labels, added, spacing, 7).tolist() == [1, between, 2]


def test_one_label_alone_is_that_of_all_and_without_one_it_is_another() -> None:
    labels = np.zeros((2, 3, 3), np.uint8)
    added = np.zeros(labels.shape, bool)
    added[1, 1] = True
    assert nearest_labels(labels, added, (1, 1, 1), 7).tolist() == [7, 7, 7]
    labels[0, 0, 0] = 3
    assert nearest_labels(labels, added, (1, 1, 1), 7).tolist() == [3, 3, 3]
    assert nearest_labels(labels, np.zeros_like(added), (1, 1, 1), 7).tolist() == []


def test_where_the_nearest_is_looked_for_makes_no_difference() -> None:
    random = np.random.default_rng(0)
    labels = np.zeros((30, 60, 60), np.uint8)
    labels[random.random(labels.shape) > 0.9995] = 1
    labels[random.random(labels.shape) > 0.9995] = 2
    labelled, spacing = labels > 0, (2.5, 1.0, 1.0)
    places = ndimage.distance_transform_edt(~labelled, sampling=spacing, return_distances=False, return_indices=True)
    for size in (1, 3, 10):
        for _try in range(10):
            added = np.zeros(labels.shape, bool)
            corner = [random.integers(0, length - size + 1) for length in labels.shape]
            added[tuple(slice(begin, begin + size) for begin in corner)] = True
            added &= ~labelled
            found = nearest_labels(labels, added, spacing, 7)
            far = [
                np.linalg.norm((np.argwhere(labelled & (labels == value)) - place) * spacing, axis=1).min()
                for place, value in zip(np.argwhere(added), found, strict=True)
            ]
            wanted = np.linalg.norm((np.argwhere(added) - places[:, added].T) * spacing, axis=1)
            np.testing.assert_allclose(far, wanted)
