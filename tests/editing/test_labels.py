from __future__ import annotations

import numpy as np
import pytest

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
