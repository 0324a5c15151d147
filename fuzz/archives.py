"""Zip files of arrays, as sessions and autosaves are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np


def zip_of(names: Iterable[str], members: Iterable[bytes], packing: int) -> bytes:
    """A zip file of as many members as there are names for; without the time of day."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, member in zip(names, members, strict=False):
            archive.writestr(zipfile.ZipInfo(name), member, packing)
    return stream.getvalue()


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """An array in numpy's format."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()
