"""Errors that somebody keeps, and what they would keep with them."""

from __future__ import annotations

import traceback


def free_frames(error: BaseException | None) -> None:
    """Free what the frames of an error hold, such as images and tensors; where it happened can still be told.

    napari keeps every error that it tells of, and with its frames all that was at hand when it was raised.

    Parameters
    ----------
    error : BaseException or None
        The error; those that led to it are freed, too.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
