"""Messages lose what is of the images, and nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_ddmd.without_values import hide_values, without_values

VALUE = 31337
IMAGE = np.full((6, 7), VALUE, np.float32)


@pytest.mark.fault("Privacy")
@pytest.mark.parametrize(
    "text",
    [
        str(IMAGE),
        repr(IMAGE),
        str(IMAGE.tolist()),
        str(list(IMAGE[0])),
        repr(IMAGE[0, 0]),
        repr(np.array(VALUE)),
        str(torch.from_numpy(IMAGE)),
        repr(torch.tensor(VALUE)),
        str(IMAGE[0, :2]),
        str(IMAGE[:2, :2].astype(int)),
        repr(np.ma.masked_array(IMAGE[0, :3].astype(int))),
        repr(IMAGE[0, :3]).replace("array", "memmap"),
        repr(str(IMAGE[0, :2])),
        repr(str(IMAGE)),  # as a KeyError shows its text
    ],
)
def test_arrays_are_hidden_however_they_are_written(text: str) -> None:
    assert str(VALUE) in text
    hidden = hide_values(f"bad {text}")
    assert str(VALUE) not in hidden
    assert hidden.startswith("bad ")


@pytest.mark.parametrize(
    "text",
    [
        "mat1 and mat2 shapes cannot be multiplied (4x128 and 64x32)",
        "expected weight of size [64, 4, 3, 3] but got [32, 4, 3, 3]",
        "array is too big; asarray() takes an array (of numbers)",
        "/data/[2024] study/case_t1.nii.gz: no such file; check the path",
    ],
)
def test_other_words_stay(text: str) -> None:
    error = ValueError(text)
    assert hide_values(text) == text
    assert without_values(error) is error


class OwnTextError(Exception):
    def __str__(self) -> str:
        return f"of its own: {IMAGE}"


def plain() -> None:
    raise ValueError(f"bad {IMAGE}")


def in_what_it_is_made_of() -> None:
    raise ValueError("bad", IMAGE)


def own_text() -> None:
    raise OwnTextError


def cause() -> None:
    try:
        plain()
    except ValueError as error:
        raise KeyError("Small_001") from error


def context() -> None:
    try:
        plain()
    except ValueError:
        {}["Small_001"]


def note() -> None:
    error = ValueError("bad")
    error.add_note(f"in {IMAGE}")
    raise error


def group() -> None:
    raise ExceptionGroup("several", [ValueError(f"bad {IMAGE}"), KeyError(str(IMAGE))])


@pytest.mark.fault("Privacy")
@pytest.mark.parametrize("fail", [plain, in_what_it_is_made_of, own_text, cause, context, note, group])
def test_a_traceback_shows_no_values_and_the_rest(fail: Callable[[], None]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of any kind
        fail()
    error = caught.value
    told = "".join(traceback.format_exception(without_values(error)))
    assert str(VALUE) in "".join(traceback.format_exception(error))
    assert str(VALUE) not in told
    assert type(error).__name__ in told
    assert f"in {fail.__name__}" in told
    for word in ("bad", "Small_001", "of its own", "several"):
        if word in str(error):
            assert word in told
    assert ("direct cause" in told) == (fail is cause)
    assert ("another exception occurred" in told) == (fail is context)


def test_what_is_not_shown_stays_away() -> None:
    try:
        try:
            plain()
        except ValueError:
            raise KeyError("Small_001") from None
    except KeyError as error:
        told = without_values(error)
    assert told is not None
    assert str(VALUE) not in "".join(traceback.format_exception(told))
