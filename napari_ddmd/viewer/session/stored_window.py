"""What a session file says of the window: further masks, how layers look, what the panel is set to, and the view."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from napari_ddmd.viewer.run_settings import SliceMode
from napari_ddmd.viewer.session.fields import STRICT, CheckedSampling, Index, Sha256, Share, Text, Triple

_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([+-]\d{2}:\d{2})?$"
Integers = Literal["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]


@dataclass(frozen=True, config=STRICT)
class StoredMask:
    """Labels on the case's grid beside the lesion: another mask, or what somebody drew.

    Attributes
    ----------
    tagged
        Whether the layer belongs to the case, so that it can be saved on the grid of its files.
    expert
        Whether it is a copy of the case's expert mask, on which may have been drawn since.
    dtype
        Of the labels.
    scale, translate, units
        Of the layer.
    """

    tagged: bool
    dtype: Integers
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    translate: Triple
    units: tuple[Text, Text, Text]
    expert: bool = False


@dataclass(frozen=True, config=STRICT)
class StoredAcceptance:
    """The reader's mark on a mask, as in `Acceptance`: it holds for the voxels that the mask had then.

    Attributes
    ----------
    key
        The mask: a `Role`, or ``mask 0``, ``mask 1``, ….
    when
        Local time, ISO 8601.
    fingerprint
        Of the mask.
    """

    key: Text
    when: Annotated[str, Field(pattern=_TIME)]
    fingerprint: Annotated[int, Field(ge=0, lt=2**32)]


@dataclass(frozen=True, config=STRICT)
class StoredColors:
    """A colour map: its name alone where napari knows it, else all colours.

    Attributes
    ----------
    colors
        RGBA in [0, 1].
    controls
        Where on [0, 1] the colours are, for an image.
    labels
        Which label each colour is of, for labels; None is any other label.
    """

    name: Text
    colors: Annotated[tuple[tuple[Share, Share, Share, Share], ...], Field(max_length=4096)] | None = None
    controls: Annotated[tuple[Share, ...], Field(max_length=4097)] | None = None
    labels: Annotated[tuple[int | None, ...], Field(max_length=4096)] | None = None


@dataclass(frozen=True, config=STRICT)
class StoredLook:
    """How a layer looks; what its kind of layer does not have is None.

    Attributes
    ----------
    key
        A modality, a `Role`, or ``mask 0``, ``mask 1``, ….
    """

    key: Text
    name: Text
    visible: bool
    opacity: Share
    blending: Text
    colors: StoredColors | None
    contrast_limits: tuple[float, float] | None = None
    contrast_limits_range: tuple[float, float] | None = None
    gamma: Annotated[float, Field(gt=0)] | None = None
    interpolation2d: Text | None = None
    contour: Annotated[int, Field(ge=0, le=1000)] | None = None
    selected_label: int | None = None
    brush_size: Annotated[float, Field(gt=0, le=100_000)] | None = None


@dataclass(frozen=True, config=STRICT)
class StoredSettings:
    """What the panel is set to."""

    slice_mode: SliceMode
    first: Index
    last: Index
    sampling: CheckedSampling
    model_name: Text
    model_sha256: Sha256 | None
    threshold: Share
    tab: Text
    arrangement: Text


@dataclass(frozen=True, config=STRICT)
class StoredView:
    """Where the viewer stands; axes are the case's three, in world coordinates."""

    point: Triple
    order: tuple[Literal[0, 1, 2], Literal[0, 1, 2], Literal[0, 1, 2]]
    ndisplay: Literal[2, 3]
    center: Triple
    zoom: Annotated[float, Field(gt=0)]
    angles: Triple
    orientation: tuple[Text, Text, Text]

    @model_validator(mode="after")
    def _check(self) -> StoredView:
        if sorted(self.order) != [0, 1, 2]:
            raise ValueError("order: must name each axis once")
        return self
