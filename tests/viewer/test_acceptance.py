from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from napari.layers import Labels

from napari_ddmd.viewer.acceptance import SEGMENTED_KEY, accept, acceptance_of, mark_again, withdraw


@pytest.fixture
def mask() -> Labels:
    return Labels(np.zeros((4, 8, 8), np.uint8))


def test_a_mask_is_accepted_as_it_stands(mask: Labels) -> None:
    assert acceptance_of(mask) is None
    mark = accept(mask)
    assert acceptance_of(mask) == mark
    assert datetime.fromisoformat(mark.when).tzinfo is not None
    mask.data = mask.data.copy()
    assert acceptance_of(mask) == mark


def test_an_edit_takes_the_mark_away_for_good(mask: Labels) -> None:
    accept(mask)
    mask.paint((1, 4, 4), 1)
    assert acceptance_of(mask) is None
    mask.undo()
    assert acceptance_of(mask) is None


def test_it_can_be_taken_back(mask: Labels) -> None:
    withdraw(mask)
    accept(mask)
    withdraw(mask)
    assert acceptance_of(mask) is None
    assert mask.metadata == {}


def test_without_a_mask_nothing_is_accepted() -> None:
    assert acceptance_of(None) is None


def test_it_speaks_for_what_was_segmented_alone(mask: Labels) -> None:
    segmented = mask.metadata[SEGMENTED_KEY] = np.zeros((4, 1, 1), np.uint8)
    segmented[1] = 1
    mark = accept(mask)
    segmented[1] = 0
    assert acceptance_of(mask) == mark, "a part of it"
    segmented[1:3] = 1
    assert acceptance_of(mask) is None
    mark = mark_again(mask, mark.when, mark.fingerprint)
    assert acceptance_of(mask) == mark
