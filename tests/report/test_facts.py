from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import Case
from napari_ddmd.report import facts, report_page
from napari_ddmd.saveable import ModelFacts, Saveable
from tests.results import finished


@pytest.fixture
def big_case() -> Case:
    return Case.from_arrays("big", np.ones((4, 40, 50, 60)))


def squares(case: Case, count: int) -> NDArray[np.uint8]:
    mask = np.zeros(case.grid.shape, np.uint8)
    for number in range(count):
        mask[3 * number, 2 : 3 + count - number, 2:4] = 1
    return mask


def test_of_many_lesions_the_rest_is_summed_up(big_case: Case) -> None:
    content = Saveable(case=big_case, mask=squares(big_case, 9))
    head, rows, rest = facts.lesion_table(content)
    assert head == ["Lesion", "Volume (mL)", "Longest axial diameter (mm)", "on slice", "Slices"]
    assert len(rows) == facts.MOST_ROWS
    assert all(len(row) == len(head) for row in rows)
    assert rows[1] == ["2", "0.02", "9.1", "3", "3"]
    assert rest == "and 4 smaller lesions, 0.03 mL together"
    assert facts.total_volume(content) == "0.11 mL in 9 lesions"


def test_one_lesion_needs_no_rest(small_case: Case) -> None:
    volumes = finished(small_case)
    head, rows, rest = facts.lesion_table(Saveable(case=small_case, mask=volumes.mask(), volumes=volumes))
    assert head[-4:] == ["T1 inter score", "T1ce inter score", "T2 inter score", "FLAIR inter score"]
    assert [len(row) for row in rows] == [len(head)]
    assert rows[0][4:7] == ["2–6", "0.80", "0.25"]
    assert rest == ""


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        ((), "it was not edited by hand."),
        # The file counts downwards.
        ((4,), "edited by hand on slice 3."),
        ((1, 3, 4, 5), "edited by hand on slices 2–4, 6."),
    ],
)
def test_edited_slices_are_named_as_in_the_files(small_case: Case, edited: tuple[int, ...], words: str) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    assert facts.origin(Saveable(case=small_case, mask=mask, is_models=True, edited_slices=edited)).endswith(words)


def test_a_run_beside_a_drawn_mask_is_told_apart(small_case: Case) -> None:
    volumes = finished(small_case, slices=[2, 3])
    content = Saveable(case=small_case, mask=volumes.mask(), volumes=volumes)
    assert facts.coverage(content) == (
        "Probability, maps and scores are those of a run on 2 of 6 slices that hold brain."
    )


@pytest.mark.parametrize(("peak", "told"), [(0.5, "0.5"), (5 / 12, "0.417"), (0.0, None)])
def test_the_peak_that_was_asked_for_is_told(small_case: Case, peak: float, told: str | None) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    content = Saveable(case=small_case, mask=mask, settings={"min_peak": peak}, threshold=0.25)
    assert dict(facts.settings(content)).get("Parts kept that exceed probability") == told


def test_settings_are_worded(small_case: Case) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    given = {"seed": 0, "slices": [40, None], "min_part": 0.1, "shared_guess": False, "steps": None, "my_own": "x"}
    assert facts.settings(Saveable(case=small_case, mask=mask, settings=given, threshold=0.45)) == [
        ("Threshold of the probability", "0.45"),
        ("Seed", "0"),
        ("Slices asked for", "40:"),
        ("Smallest part kept (of largest)", "0.1"),
        ("Masks share the first estimate", "no"),
        ("my own", "x"),
    ]


def test_weights_without_a_name_are_still_told(small_case: Case) -> None:
    mask = np.zeros(small_case.grid.shape, np.uint8)
    model = ModelFacts("", "", "", "0123456789abcdef" * 4, "")
    assert facts.model(Saveable(case=small_case, mask=mask, model=model)) == [
        ("Weights (SHA-256)", "0123456789abcdef…")
    ]
    assert facts.model(Saveable(case=small_case, mask=mask)) == []


def test_only_an_acceptance_is_told(small_case: Case) -> None:
    content = Saveable(case=small_case, mask=squares(small_case, 1))
    assert facts.acceptance(content) == ""
    accepted = replace(content, accepted="2026-05-03T10:05:07+02:00")
    assert facts.acceptance(accepted) == "The reader accepted it as it stands on 03 May 2026, 10:05."
    assert "accepted it" in report_page(accepted)
    assert "accepted it" not in report_page(content)
