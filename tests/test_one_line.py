from __future__ import annotations

import io
import sys

import pytest

from napari_ddmd.one_line import one_line, print_any_name, printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("first\nsecond\r\nthird", "first second third"),
        ("a\u2028b\x85c", "a b c"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\u202egz.iin", r"a\u202egz.iin"),
        ("caf\udce9", r"caf\udce9"),
        ("Müller 患者 🧠", "Müller 患者 🧠"),
        ("C:\\cases\\1", "C:\\cases\\1"),
    ],
)
def test_nothing_ends_colours_or_turns_the_line(text: str, line: str) -> None:
    assert one_line(text) == line
    assert one_line(ValueError(text)) == line


def test_columns_stay_where_they_are() -> None:
    assert printable("    3  T1\x1b[2J\n  x") == r"    3  T1\x1b[2J\n  x"


def test_names_that_an_encoding_lacks_are_printed_with_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii", write_through=True))
    with pytest.raises(UnicodeEncodeError):
        print("Müller")
    print_any_name()
    print("Müller", end="")
    assert raw.getvalue() == b"M\\xfcller"


def test_streams_of_another_kind_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    print_any_name()
    print("Müller")
    assert sys.stdout.getvalue() == "Müller\n"  # type: ignore[attr-defined]
