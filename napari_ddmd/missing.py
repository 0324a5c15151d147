"""A case that lacks a modality, and what that costs."""

from __future__ import annotations

from typing import Final

from napari_ddmd.case import MODALITIES, MODALITY_LABELS, Case

DICE_COMPLETE: Final = 0.85
DICE_WITHOUT: Final[dict[str, float]] = {"t1": 0.82, "t1ce": 0.81, "t2": 0.73, "flair": 0.42}
"""Mean Dice over 15 held-out patients of `compact`'s recipe, with all modalities and without one (docs/results.md)."""


def missing_modalities(case: Case) -> tuple[str, ...]:
    """Modalities of a case that are zero throughout, as `load_case` gives those that were not there."""
    return tuple(name for name, image in zip(MODALITIES, case.images, strict=True) if not image.any())


def costs_of_missing() -> str:
    """What it costs to segment without one modality or another, in one line."""
    without = ", ".join(f"{dice:.2f} without {MODALITY_LABELS[name]}" for name, dice in DICE_WITHOUT.items())
    return (
        f"Mean Dice of the bundled model on held-out patients, one mask a slice: {DICE_COMPLETE:.2f}; {without}. "
        "There are no maps then"
    )


def cost_of_missing(modality: str) -> str:
    """What it costs to segment without a modality, in one line."""
    usable = "" if DICE_WITHOUT[modality] > DICE_COMPLETE - 0.15 else ": not to be relied on"
    label, dice = MODALITY_LABELS[modality], DICE_WITHOUT[modality]
    return (
        f"{label} is missing: no discrepancy maps, and a less accurate lesion (compact on held-out patients: mean Dice "
        f"{dice:.2f} instead of {DICE_COMPLETE:.2f}{usable})."
    )
