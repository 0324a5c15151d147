from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from napari.layers import Labels

from napari_ddmd.viewer.acceptance import Segmented, accept, acceptance_of, mark_again, tell_segmented, withdraw


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
    segmented = Segmented(np.zeros((4, 1, 1), np.uint8))
    tell_segmented(mask, segmented)
    segmented.slices[1:3] = 1
    for change, back in ((slice(3, 4), 0), (slice(1, 2), 1)):  # another slice, one less
        mark = accept(mask)
        segmented.slices[change] = 1 - back
        assert acceptance_of(mask) is None
        segmented.slices[change] = back
        assert acceptance_of(mask) is None, "what is taken back does not come again"
    mark = mark_again(mask, mark.when, mark.fingerprint)
    assert acceptance_of(mask) == mark


def test_it_does_not_speak_for_another_run(mask: Labels) -> None:
    segmented = Segmented(np.ones((4, 1, 1), np.uint8))
    tell_segmented(mask, segmented)
    accept(mask)
    segmented.run = 1
    assert acceptance_of(mask) is None
