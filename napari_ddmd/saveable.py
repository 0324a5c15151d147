"""All that can be saved of one case: the mask, what a run has said, and what made it."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case import Case
from napari_ddmd.editing import Numbering
from napari_ddmd.learned import cautions_of, training_cases
from napari_ddmd.lesions import Lesion, find_lesions
from napari_ddmd.volumes import Volumes

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle


@dataclass(frozen=True)
class ModelFacts:
    """What is said of a model where its results go.

    Attributes
    ----------
    name, version, variant, card
        As in its bundle; empty where only the weights are known.
    sha256
        Hash of the weights.
    training_cases
        Names of the cases that it was trained on, as far as it says.
    """

    name: str
    version: str
    variant: str
    sha256: str
    card: str
    training_cases: tuple[str, ...] = ()

    @classmethod
    def of(cls, bundle: Bundle) -> ModelFacts:
        """The facts of a bundle."""
        return cls(bundle.name, bundle.version, bundle.variant, bundle.sha256, bundle.card, training_cases(bundle))

    @property
    def title(self) -> str:
        """Name and version in short; the weights' hash where there is no name."""
        return f"{self.name} {self.version}".strip() or self.sha256[:12]


@dataclass(frozen=True, eq=False, kw_only=True)
class Saveable:
    """A mask and all that belongs to it.

    Attributes
    ----------
    case
        The patient.
    mask
        ``(S, H, W)``, the labels as they stand; the lesion is where they are above 0.
    volumes
        What a run has said of the case, None where there was none.
    model
        The model of that run.
    settings
        What the run was asked for, in plain values.
    threshold
        Where the model's probability was cut, None where the mask does not come from a run.
    is_models
        Whether the mask is the run's own; else it was drawn, opened or copied.
    is_copy
        Whether the mask is a copy of a run's, made and perhaps edited by the user.
    proposed_by
        The model of which the mask is a copy, None where that is not known any more.
    is_restored
        Whether the mask was begun by a run whose results are no longer there: edits that were offered again after a
        crash.
    edited_slices
        Axial slices of the run's mask that were changed by hand.
    accepted
        When the reader accepted the mask as it stands, local time, ISO 8601; empty where nobody did.
    with_expert
        Whether the expert's mask is drawn into the report's pictures.
    numbering
        Gives the lesions the numbers that they had before; without it the largest is 1.
    own_name
        The case's own name, by which a model knows it, where it is saved under another one; else empty.
    """

    case: Case
    mask: NDArray[Any]
    volumes: Volumes | None = None
    model: ModelFacts | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    threshold: float | None = None
    is_models: bool = False
    is_copy: bool = False
    proposed_by: ModelFacts | None = None
    is_restored: bool = False
    edited_slices: tuple[int, ...] = ()
    accepted: str = ""
    with_expert: bool = False
    numbering: Numbering | None = None
    own_name: str = ""

    @property
    def was_edited(self) -> bool:
        """Whether the run's mask was changed by hand."""
        return self.is_models and bool(self.edited_slices)

    @property
    def labels(self) -> NDArray[np.int32]:
        """``(S, H, W)``: 0 outside, else the number of the lesion."""
        return self._found[0]

    @property
    def lesions(self) -> list[Lesion]:
        """The mask's connected lesions, largest first, measured on first use."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[NDArray[np.int32], list[Lesion]]:
        volumes = self.volumes
        if volumes is None:
            labels, lesions = find_lesions(self.mask, self.case.spacing)
        else:
            labels, lesions = find_lesions(
                self.mask,
                self.case.spacing,
                volumes.probability,
                uncertainty=volumes.uncertainty,
                scores=volumes.scores,
            )
        if self.numbering is None:
            return labels, lesions
        numbers = self.numbering.copy().number(labels)
        return numbers[labels], [replace(lesion, label=int(numbers[lesion.label])) for lesion in lesions]

    @property
    def model_cautions(self) -> list[str]:
        """A line for each model that has a part in the mask or the volumes and was trained on the patient."""
        models = (model for model in (self.model, self.proposed_by) if model is not None)
        return cautions_of(self.own_name or self.case.name, *models)

    @cached_property
    def brain_slices(self) -> list[int]:
        """Axial slices that hold brain."""
        return list(self.case.brain_slices)

    def kept(self) -> Saveable:
        """Return the same as it stands now; quick, and to be called where the mask and the volumes are written."""
        volumes = self.volumes
        if volumes is not None:
            volumes = copy.copy(volumes)
            volumes.done, volumes.scores = set(volumes.done), dict(volumes.scores)
        return replace(self, mask=self.mask.copy(), volumes=volumes)

    def named(self, name: str) -> Saveable:
        """Return the same under another name of the case, which files and reports then bear, and no word of its own."""
        if name == self.case.name:
            return self
        own = re.compile(rf"(?<!\w){re.escape(self.case.name)}(?!\w)")
        warnings = tuple(own.sub(lambda _found: name, text) for text in self.case.remarks)
        case = replace(self.case, name=name, warnings=warnings)
        return replace(self, case=case, own_name=self.own_name or self.case.name)

    def settled(self, arrays: Collection[str]) -> Saveable:
        """Return the same with own copies of arrays of the volumes, which a run may go on writing into.

        Slices that are done do not change any more, so that this may be called later, and in another thread, than
        `kept`: slices that have come in since stay empty.
        """
        if self.volumes is None:
            return self
        volumes, done = copy.copy(self.volumes), sorted(self.volumes.done)
        for name in arrays:
            array = getattr(volumes, name)
            if array is not None:
                own = np.zeros_like(array)
                own[..., done, :, :] = array[..., done, :, :]
                setattr(volumes, name, own)
        return replace(self, volumes=volumes)
