"""How findings name modalities."""

from __future__ import annotations

from collections.abc import Sequence

from napari_ddmd.case.naming import MODALITY_LABELS


def names_of(modalities: Sequence[str]) -> str:
    """As in "T1, T2 and FLAIR"; nothing where there are none."""
    labels = [MODALITY_LABELS[name] for name in modalities]
    return "".join(labels) if len(labels) < 2 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def are(modalities: Sequence[str]) -> str:
    """The verb that goes with them."""
    return "is" if len(modalities) == 1 else "are"
