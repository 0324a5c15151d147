from __future__ import annotations

import pytest

from napari_ddmd.case import Case
from napari_ddmd.viewer.case_names import call, name_for_saving, what_is_wrong


def test_a_name_is_that_of_one_case(case: Case, small_case: Case) -> None:
    assert name_for_saving(case) == case.name
    call(case, "Patient 7")
    assert name_for_saving(case) == "Patient 7"
    assert name_for_saving(small_case) == small_case.name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Give the case a name."),
        ("  ", "Give the case a name."),
        ("..", "Give the case a name."),
        (".saved", "would hide the files"),
        ("a/b", "without / \\"),
        ("a\\b", "without / \\"),
        ("a:b", "without / \\"),
        ('a"b', "without / \\"),
        ("a\tb", "without / \\"),
        ("a" * 181, "too long"),
        ("脳" * 61, "too long"),
        ("T1 7", "words such as T1"),
        ("FLAIR study 3", "words such as T1"),
        ("seg 3", "words such as T1"),
    ],
)
def test_a_name_that_files_cannot_bear_is_refused(name: str, reason: str) -> None:
    assert reason in what_is_wrong(name)


@pytest.mark.parametrize("name", ["Patient 7", "Björn_001", "a" * 180, "脳" * 60, "10.2"])
def test_any_other_name_will_do(name: str) -> None:
    assert what_is_wrong(name) == ""
