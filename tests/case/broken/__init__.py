"""Broken cases, made by code: what hospitals, browsers and attackers leave where a case should be.

One idea a module; each gives a list `CASES` of `Broken`. `CORPUS` is all of them.
"""

from tests.case.broken import (
    compression,
    extents,
    foreign,
    geometry,
    header_fields,
    links,
    modalities,
    names,
    number_types,
    truncation,
    values,
)
from tests.case.broken.broken import Broken

CORPUS: tuple[Broken, ...] = (
    *truncation.CASES,
    *header_fields.CASES,
    *extents.CASES,
    *number_types.CASES,
    *values.CASES,
    *geometry.CASES,
    *compression.CASES,
    *foreign.CASES,
    *modalities.CASES,
    *names.CASES,
    *links.CASES,
)

__all__ = ["CORPUS", "Broken"]
