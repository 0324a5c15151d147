"""What a session file says, but for its arrays; whatever is read from a file has been checked against this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass as plain_dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from napari_ddmd.case import MODALITIES
from napari_ddmd.viewer.layer_tag import Role
from napari_ddmd.viewer.session.fields import STRICT, CheckedSampling, Index, Sha256, Share, Text
from napari_ddmd.viewer.session.stored_case import StoredCase
from napari_ddmd.viewer.session.stored_window import (
    StoredAcceptance,
    StoredLook,
    StoredMask,
    StoredSettings,
    StoredView,
)

FORMAT = "napari-ddmd session"
# 2: with what the reader accepted, and where a DICOM study is. 3: with the devices that computed.
# 4: with the numbers of lesions. 5: with models that even out what is unevenly bright. 6: with what they have evened.
# 7: with models whose mask is cut at another probability than 0.5, or whose parts must be sure somewhere; with copies
# of the expert's mask.
VERSION = 7
MOST_NUMBERS = 2**30


@dataclass(frozen=True, config=STRICT)
class StoredScores:
    """Discrepancy scores of one slice, as in `DiscrepancyScores`."""

    slice: Index
    inter: float
    intra: float | None
    per_modality: dict[Literal["t1", "t1ce", "t2", "flair"], dict[Literal["inter", "intra"], float | None]]


@dataclass(frozen=True, config=STRICT)
class StoredResults:
    """What runs have said of the case.

    Attributes
    ----------
    model_sha256, sampling, shared_guess, healthy_below, evens_out
        As in `Recipe`.
    own_threshold, min_part, min_peak
        Its `Cut`.
    done
        The slices that are done, ascending: the arrays hold these alone.
    samples
        K, the masks a slice.
    has_inter, has_intra
        Which maps there are.
    scores
        Of slices that are done.
    sample
        Which of the masks is shown.
    limits
        Display limits that the maps have grown to by themselves.
    devices
        What has computed them; empty where the session is older.
    evened
        Modalities that the networks have seen without their bias field; None where nobody knows.
    """

    model_sha256: Sha256
    sampling: CheckedSampling
    min_part: Share
    shared_guess: bool
    healthy_below: Share
    done: tuple[Index, ...]
    samples: Annotated[int, Field(ge=1, le=1000)]
    has_inter: bool
    has_intra: bool
    scores: tuple[StoredScores, ...]
    sample: Index
    limits: dict[Role, Annotated[float, Field(gt=0)]]
    devices: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    evens_out: bool = False
    own_threshold: Share = 0.5
    min_peak: Share = 0.0
    evened: tuple[Literal["t1", "t1ce", "t2", "flair"], ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> StoredResults:
        if any(first >= second for first, second in pairwise(self.done)):
            raise ValueError("done: must ascend")
        if not {scores.slice for scores in self.scores} <= set(self.done):
            raise ValueError("scores: of a slice that is not done")
        if self.sample >= self.samples:
            raise ValueError("sample: there are not so many")
        if self.evened is not None and len({*self.evened}) < len(self.evened):
            raise ValueError("evened: a modality twice")
        return self


@dataclass(frozen=True, config=STRICT)
class Session:
    """All of a session but its arrays.

    Attributes
    ----------
    package
        Version of napari-ddmd that wrote it.
    has_lesion
        Whether there is a lesion layer; without results, edits of an earlier session make one. One that the user has
        removed has no look.
    masks
        Labels beside the lesion.
    looks
        The case's own layers, bottom first.
    active, in_hand
        Keys of the selected layer, and of the mask that is measured.
    accepted
        The masks that the reader accepted.
    highest_number
        Of the lesions of the mask in hand, whose numbers are an array of the file; 0 where they are numbered by size.
    """

    format: Literal["napari-ddmd session"]
    version: Literal[1, 2, 3, 4, 5, 6, 7]
    package: Text
    case: StoredCase
    results: StoredResults | None
    has_lesion: bool
    masks: Annotated[tuple[StoredMask, ...], Field(max_length=1000)]
    looks: Annotated[tuple[StoredLook, ...], Field(max_length=2000)]
    active: Text | None
    in_hand: Text | None
    settings: StoredSettings
    view: StoredView
    accepted: Annotated[tuple[StoredAcceptance, ...], Field(max_length=1000)] = ()
    highest_number: Annotated[int, Field(ge=0, le=MOST_NUMBERS)] = 0

    @model_validator(mode="after")
    def _check(self) -> Session:
        if self.results is not None and self.results.done and self.results.done[-1] >= self.case.grid.shape[0]:
            raise ValueError("results.done: the case has not so many slices")
        keys = [look.key for look in self.looks]
        known = {*MODALITIES, *Role, *map(mask_key, range(len(self.masks)))}
        if len(set(keys)) < len(keys) or not {*keys} <= known:
            raise ValueError("looks: a layer that is not there, or is twice")
        return self


SESSION = TypeAdapter(Session)
"""To JSON and back."""


def version_for(results: StoredResults | None, masks: Iterable[StoredMask], *, has_numbers: bool) -> int:
    """The earliest version that knows all that is said, so that programs of then still read the session."""
    if _says_more_than_6(results, masks):
        return VERSION
    if results is not None and results.evens_out:
        return 6
    return 4 if has_numbers else 3


def unsaid(session: Session) -> dict[str, Any]:
    """What is left out of the document, since programs of its version know nothing of it."""
    left_out: dict[str, Any] = {} if session.highest_number else {"highest_number": True}
    if not _says_more_than_6(session.results, session.masks):
        left_out["masks"] = {"__all__": {"expert"}}
        if session.results is not None:
            is_early = not session.results.evens_out
            left_out["results"] = {"min_peak", "own_threshold"} | ({"evens_out", "evened"} if is_early else set())
    return left_out


def _says_more_than_6(results: StoredResults | None, masks: Iterable[StoredMask]) -> bool:
    """Whether the model's mask is cut otherwise than at 0.5, all of it, or a mask is a copy of the expert's."""
    has_own_cut = results is not None and (results.min_peak > 0 or results.own_threshold != 0.5)
    return has_own_cut or any(mask.expert for mask in masks)


@plain_dataclass(frozen=True)
class ArrayKind:
    """What an array of the file must be."""

    shape: tuple[int, ...]
    dtypes: tuple[str, ...]


def mask_key(number: int) -> str:
    """Name of one of the further masks, for its look and its array."""
    return f"mask {number}"


def arrays_of(session: Session) -> dict[str, ArrayKind]:
    """The arrays that belong to a session.

    Returns
    -------
    dict of str to ArrayKind
        ``images`` (C, S, H, W), ``expert``, ``lesion``, ``written``, ``mask n`` and ``numbers`` (S, H, W); with D
        slices done, ``probability``, ``uncertainty``, ``inter`` and ``intra`` (D, H, W) and ``samples`` (K, D, H, W).
    """
    shape = session.case.grid.shape
    kinds: dict[str, ArrayKind] = {}
    if not session.case.images:
        kinds["images"] = ArrayKind((len(MODALITIES), *shape), ("float32", "int16", "uint16"))
    if session.case.has_expert:
        kinds["expert"] = ArrayKind(shape, ("uint8",))
    results = session.results
    if results is not None:
        packed = (len(results.done), *shape[1:])
        maps = {"probability": True, "uncertainty": True, "inter": results.has_inter, "intra": results.has_intra}
        kinds |= {name: ArrayKind(packed, ("float32",)) for name, is_there in maps.items() if is_there}
        kinds["samples"] = ArrayKind((results.samples, *packed), ("uint8",))
    if session.has_lesion:
        kinds |= {name: ArrayKind(shape, ("uint8",)) for name in ("lesion", "written")}
    kinds |= {mask_key(number): ArrayKind(shape, (mask.dtype,)) for number, mask in enumerate(session.masks)}
    if session.highest_number:
        kinds["numbers"] = ArrayKind(shape, ("int32",))
    return kinds
