"""Which modality a series is, by its description and its sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from napari_ddmd.case import MODALITY_LABELS
from napari_ddmd.dicom.headers import SeriesFacts
from napari_ddmd.dicom.study import Series
from napari_ddmd.dicom.wording import contrast, family, left_out, plain_words

_FEWEST_SLICES: Final = 10
_COMPUTED: Final = {"DERIVED", "MIP", "MINIP", "MPR", "REFORMATTED", "PROJECTION IMAGE", "ADC", "SUBTRACTION"}
# Milliseconds. Fluid is nulled late, fat early; between proton density and T2 lies the echo time.
_FLUID_NULLED, _FAT_NULLED = 1500, 400
_T2_ECHO, _SHORT_ECHO = 60, 35


@dataclass(frozen=True)
class Guess:
    """What a series is taken for.

    Parameters
    ----------
    modality : str or None
        One of `MODALITIES`; None for a series that is left out.
    reason : str
        Why, in a few words.
    """

    modality: str | None
    reason: str


def recognise(series: Series) -> Guess:
    """Guess the modality of a series, or say why it is left out."""
    guess = recognise_facts(series.facts)
    if guess.modality is None:
        return guess
    if len(series.slices) < _FEWEST_SLICES:
        return Guess(None, f"left out: {len(series.slices)} slices only")
    return guess if series.problem is None else Guess(None, f"left out: {series.problem}")


def recognise_facts(facts: SeriesFacts) -> Guess:
    """Guess the modality from what the header says of the series, without its slices."""
    if facts.kind != "MR":
        return Guess(None, f"left out: {facts.kind or 'unknown kind'}, not MR")
    description = plain_words(facts.description)
    why = left_out(description) or _left_out_by_numbers(facts)
    if why is not None:
        return Guess(None, f"left out: {why}")
    kind, source = family(description), "description"
    words = description
    if kind is None:
        # Protocol names often name the whole examination, so they count only where nothing else does.
        protocol = plain_words(facts.protocol)
        if (why := left_out(protocol)) is not None:
            return Guess(None, f"left out: {why}")
        kind, source = family(protocol), "protocol"
        words = f"{description} {protocol}" if kind else description
    if kind is None:
        kind, source = _by_numbers(facts), _numbers(facts)
    kind, source = _corrected(kind, source, facts)
    if kind is None:
        return Guess(None, f"left out: {source or 'says nothing of its contrast'}")
    if kind == "t1":
        return _with_or_without_agent(words, facts, source)
    return Guess(kind, f"{MODALITY_LABELS[kind]} by {source}")


def _left_out_by_numbers(facts: SeriesFacts) -> str | None:
    if _COMPUTED & set(facts.image_type):
        return "computed from others"
    if "LOCALIZER" in facts.image_type:
        return "scout"
    if facts.b_value:
        return "diffusion"
    return "functional or echo planar" if "EP" in facts.sequence else None


def _by_numbers(facts: SeriesFacts) -> str | None:
    """Return the family by echo, repetition and inversion time."""
    echo, repetition, inversion = facts.echo_time, facts.repetition_time, facts.inversion_time or 0
    if echo is None or repetition is None:
        return None
    is_gradient = "GR" in facts.sequence and "SE" not in facts.sequence
    if inversion >= _FLUID_NULLED and echo >= _T2_ECHO:
        return "flair"
    if inversion and inversion < _FAT_NULLED and not is_gradient:
        return None
    if is_gradient:
        return "t1" if echo <= 10 and (facts.is_3d or inversion >= _FAT_NULLED) else None
    if echo >= _T2_ECHO and repetition >= 2000:
        return "t2"
    return "t1" if echo < _SHORT_ECHO and repetition <= 1200 else None


def _corrected(kind: str | None, source: str, facts: SeriesFacts) -> tuple[str | None, str]:
    """Let the sequence's numbers overrule a name that cannot be meant so."""
    echo, inversion = facts.echo_time, facts.inversion_time or 0
    is_gradient = "GR" in facts.sequence and not {"SE", "IR"} & set(facts.sequence)
    if kind == "pd":
        return None, "proton density"
    if kind == "t2":
        if is_gradient:
            return None, "gradient echo, so T2*"
        if inversion >= _FLUID_NULLED and "IR" in facts.sequence:
            return "flair", _numbers(facts)
        if echo is not None and echo < _SHORT_ECHO:
            return None, f"proton density (TE {echo:g} ms)"
    if kind in ("t2", "flair") and 0 < inversion < _FAT_NULLED:
        return None, f"STIR (TI {inversion:g} ms)"
    return kind, source


def _with_or_without_agent(words: str, facts: SeriesFacts, source: str) -> Guess:
    said = contrast(words)
    if said is not None:
        return Guess(
            "t1ce" if said else "t1", f"T1 by {source}, {'with' if said else 'without'} contrast agent by name"
        )
    if facts.has_agent:
        return Guess("t1ce", f"T1 by {source}, the header names a contrast agent")
    return Guess("t1", f"T1 by {source}, no word of a contrast agent")


def _numbers(facts: SeriesFacts) -> str:
    times = {"TE": facts.echo_time, "TR": facts.repetition_time, "TI": facts.inversion_time}
    return ", ".join(f"{name} {time:g} ms" for name, time in times.items() if time)
