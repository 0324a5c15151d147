"""Kinds of values that a session file holds, with what they may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from napari_ddmd.viewer.run_settings import Sampling

# A strange key may be a setting that this version would silently lose.
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_LARGEST_SEED = 2**31 - 1

Text = Annotated[str, Field(max_length=2000)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Index = Annotated[int, Field(ge=0, le=100_000)]
Length = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]
Row = tuple[float, float, float, float]


def _in_range(sampling: Sampling) -> Sampling:
    ranges = {"samples": (1, 1000), "steps": (1, 100_000), "seed": (0, _LARGEST_SEED)}
    for name, (low, high) in ranges.items():
        if not low <= getattr(sampling, name) <= high:
            raise ValueError(f"{name} must be {low} to {high}")
    return sampling


CheckedSampling = Annotated[Sampling, AfterValidator(_in_range)]


def three(values: Iterable[Any]) -> tuple[Any, Any, Any]:
    """As a tuple, one for each axis.

    Raises
    ------
    ValueError
        If they are more or fewer.
    """
    first, second, third = values
    return first, second, third


def three_numbers(values: Iterable[Any]) -> tuple[float, float, float]:
    """The same, as Python's own numbers."""
    return three(float(value) for value in values)
