from __future__ import annotations

import pytest

from napari_ddmd.dicom.wording import contrast, family, left_out, plain_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T1_SE_tra+KM (Schädel)", "t1 se tra gd schadel"),
        ("Ax T1 w/o", "ax t1 without"),
        ("AX T1 W/WO", "ax t1"),
        ("t2*", "t2star"),
        ("Repérage", "reperage"),
        ("T1 tra o. KM", "t1 tra without km"),
        ("T1 -C", "t1 native"),
        ("", ""),
    ],
)
def test_plain_words(text: str, words: str) -> None:
    assert plain_words(text) == words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("t1 se tra", None),
        ("t1 post op", None),
        ("t1 pre op", None),
        ("t1 pre rt", None),
        ("t1 pre", False),
        ("t1 sans fs", None),
        ("t1 sans injection", False),
        ("t1 avant gado", False),
        ("t1 vor km", False),
        ("t1 nach km", True),
        ("t1 post contrast", True),
        ("t1 pre contrast", False),
        ("t1gd", True),
        ("axt1ce", True),
    ],
)
def test_contrast(words: str, said: bool | None) -> None:
    assert contrast(words) is said


def test_words_are_whole_words() -> None:
    # "ADC", "loc" and "sub" hide in other words.
    for words in ("t1 location fixed", "t2 subject", "t2 headcoil", "t1 orbital"):
        assert left_out(words) == ("another part of the body" if "orbit" in words else None)
    assert family("ct1000") is None
    assert family("t12") is None
