"""Whether each modality shows what its name says; swapped pairs, and one image under two names.

T1 and T1ce resemble each other, and so do T2 and FLAIR; of these, the latter pair shows lesions and grey matter
bright. Fluid is bright on T2 and dark on FLAIR. T1ce is T1 with some voxels brighter: where there are hardly any, the
two cannot be told apart, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Sample
from napari_ddmd.case.guards.tissue import (
    Values,
    bright_tail,
    brighter_than_expected,
    correlations,
    fluid_share,
    ranks_of,
    tissue_values,
)
from napari_ddmd.case.guards.wording import names_of
from napari_ddmd.case.naming import MODALITIES, MODALITY_LABELS

Pair = tuple[str, str]
Pairing = tuple[Pair, Pair]

_T1_PAIR: Final = ("t1", "t1ce")
_T2_PAIR: Final = ("t2", "flair")
_PAIRINGS: Final[tuple[Pairing, ...]] = (
    (_T1_PAIR, _T2_PAIR),
    (("t1", "t2"), ("t1ce", "flair")),
    (("t1", "flair"), ("t1ce", "t2")),
)
_FEWEST_VOXELS: Final = 2000
# Two different images of real patients correlate by 0.86 at most.
_SAME: Final = 0.98
# Real patients: the right pairing wins by 0.6 and more; the T2 pair's bright tails by 0.7; fluid of the right order has
# 1 % of the voxels at least, the reverse a tenth of that at most. T1ce stands out by 0.16 to 1.1, and by -0.2 to 0.5
# in simulated brains that contrast agent did not reach: only what lies beyond speaks for a swap.
_PAIRING: Final = 0.25
_TAIL: Final = 0.3
_ENHANCED: Final = 0.35
_FLUID, _FLUID_RATIO = 0.004, 2.0
# T2 and FLAIR of real patients correlate by 0.7 at most, as fluid is bright on one and dark on the other.
_BOTH_T2: Final = 0.8


@dataclass(frozen=True)
class Tissue:
    """What is known of the voxels of four images."""

    values: Mapping[str, Values]
    ranks: Mapping[str, Values]
    likeness: Mapping[frozenset[str], float]

    @classmethod
    def of(cls, sample: Sample) -> Tissue:
        """Look at a sample."""
        values = tissue_values(sample)
        ranks = ranks_of(values)
        return cls(values, ranks, correlations(ranks))

    @property
    def is_enough(self) -> bool:
        """Whether there are enough voxels to judge by."""
        return min(len(values) for values in self.values.values()) >= _FEWEST_VOXELS


def find_contrast(tissue: Tissue) -> list[Finding]:
    """Tell of duplicated and of swapped modalities."""
    twins = [pair for pair, likeness in tissue.likeness.items() if likeness > _SAME]
    if twins:
        same = names_of([name for name in MODALITIES if any(name in pair for pair in twins)])
        text = f"{same} show the same image: one file stands under two names; give each modality its own"
        return [Finding(Kind.DUPLICATE, text)]
    found = recognise(tissue)
    if found is None:
        return [Finding(Kind.CONTRAST, "the images do not look like their names; check which file is which modality")]
    wrong = [name for name in MODALITIES if name in found and found[name] != name]
    if not wrong:
        return _find_no_flair(tissue)
    if len(wrong) == 2:
        text = f"{names_of(wrong)} look swapped"
    else:
        like = [f"{MODALITY_LABELS[name]} looks like {MODALITY_LABELS[found[name]]}" for name in wrong]
        text = ", ".join(like)
    return [Finding(Kind.CONTRAST, f"{text}; check which file is which modality")]


def _find_no_flair(tissue: Tissue) -> list[Finding]:
    """Tell of two T2 images, where one should be FLAIR."""
    if tissue.likeness.get(frozenset(_T2_PAIR), 0.0) < _BOTH_T2:
        return []
    text = "T2 and FLAIR show the same contrast, fluid bright or dark on both; check which file is which modality"
    return [Finding(Kind.CONTRAST, text)]


def recognise(tissue: Tissue) -> dict[str, str] | None:
    """What each image looks like: for the name that it has, the name that it should have; None if it is not clear.

    Where the images do not speak against a name, it counts.
    """
    if len(tissue.values) < len(MODALITIES):
        return _recognise_whole_pairs(tissue)
    likeness = [sum(tissue.likeness[frozenset(pair)] for pair in pairing) for pairing in _PAIRINGS]
    best = max(range(len(_PAIRINGS)), key=lambda number: likeness[number])
    is_named = likeness[best] - likeness[0] < _PAIRING
    first, second = _PAIRINGS[0] if is_named else _PAIRINGS[best]
    tail = _tail(tissue, second) - _tail(tissue, first)
    if abs(tail) < _TAIL and not is_named:
        return None
    t1_pair, t2_pair = (first, second) if tail > (-_TAIL if is_named else 0) else (second, first)
    return _tell_t1(tissue, t1_pair) | _tell_t2(tissue, t2_pair, t1_pair)


def _recognise_whole_pairs(tissue: Tissue) -> dict[str, str]:
    """With a modality missing, images are told apart within a pair only."""
    found: dict[str, str] = {}
    if all(name in tissue.values for name in _T1_PAIR):
        found |= _tell_t1(tissue, _T1_PAIR)
    t1 = next((name for name in _T1_PAIR if name in tissue.values), None)
    if t1 is not None and all(name in tissue.values for name in _T2_PAIR):
        found |= _tell_t2(tissue, _T2_PAIR, (t1, t1))
    return found


def _tail(tissue: Tissue, pair: Pair) -> float:
    return sum(bright_tail(tissue.values[name]) for name in pair)


def _tell_t1(tissue: Tissue, pair: Pair) -> dict[str, str]:
    first, second = pair
    enhanced = brighter_than_expected(tissue.values[second], tissue.values[first])
    verdict = 0 if abs(enhanced) < _ENHANCED else (1 if enhanced > 0 else -1)
    return _name(pair, _T1_PAIR, verdict)


def _tell_t2(tissue: Tissue, pair: Pair, t1_pair: Pair) -> dict[str, str]:
    first, second = (tissue.ranks[name] for name in pair)
    dark = [tissue.ranks[name] for name in t1_pair]
    right, reverse = fluid_share(first, second, *dark), fluid_share(second, first, *dark)
    is_clear = max(right, reverse) > _FLUID and max(right, reverse) > _FLUID_RATIO * min(right, reverse)
    return _name(pair, _T2_PAIR, 0 if not is_clear else (1 if right > reverse else -1))


def _name(pair: Pair, names: Pair, verdict: int) -> dict[str, str]:
    """Name two images; without a verdict, the names that they have count as far as they go."""
    if verdict == 0:
        verdict = -1 if pair[0] == names[1] or pair[1] == names[0] else 1
    return dict(zip(pair, names if verdict > 0 else names[::-1], strict=True))
