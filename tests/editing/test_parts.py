from __future__ import annotations

import numpy as np

from napari_ddmd.editing.parts import each_lesion, without_lesion


def two_lesions() -> np.ndarray:
    mask = np.zeros((6, 10, 10), bool)
    mask[0:2, 0:3, 0:3] = True
    mask[2, 3, 3] = True  # touches by a corner
    mask[4, 7:9, 7:9] = True
    return mask


def test_each_lesion_comes_alone_in_its_box() -> None:
    mask = two_lesions()
    found = list(each_lesion(mask, (1, 2, 2)))
    assert [int(lesion.sum()) for _box, lesion in found] == [19, 4]
    together = np.zeros_like(mask)
    for box, lesion in found:
        together[box] |= lesion
    np.testing.assert_array_equal(together, mask)
    assert found[1][0] == (slice(3, 6), slice(5, 10), slice(5, 10))
    assert list(each_lesion(np.zeros_like(mask), (1, 1, 1))) == []


def test_one_lesion_goes_and_the_others_stay() -> None:
    mask = two_lesions()
    seed = np.zeros_like(mask)
    seed[2, 3, 3] = seed[5, 5, 5] = True
    left = without_lesion(mask, seed)
    assert left.sum() == 4
    assert left[4, 7:9, 7:9].all()
    assert mask.sum() == 23
    np.testing.assert_array_equal(without_lesion(mask, np.zeros_like(mask)), mask)
