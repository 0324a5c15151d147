"""Parts of a lesion that the model's cut has left out: small beside the largest, or sure nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.lesions import Parts, lesion_volume_ml
from napari_ddmd.wording import millilitres

if TYPE_CHECKING:
    from napari_ddmd.case import Case
    from napari_ddmd.viewer.result_layers import ResultLayers


@dataclass(frozen=True)
class LeftOut:
    """What exceeds the threshold and is not in the mask.

    Attributes
    ----------
    count
        Connected parts.
    volume_ml
        Their volume in millilitres.
    place
        ``(S, H, W)``, where they are.
    """

    count: int
    volume_ml: float
    place: NDArray[np.bool_]

    def __str__(self) -> str:
        """Say how many there are, and how large: ``2 parts (0.31 mL) left out: small or doubtful``."""
        parts = "1 part" if self.count == 1 else f"{self.count} parts"
        return f"{parts} ({millilitres(self.volume_ml)} mL) left out: small or doubtful"


def left_out(results: ResultLayers, case: Case) -> LeftOut | None:
    """Find what the results leave out of the lesion; None where that is nothing, or not known yet.

    Of slices that were edited the reader has decided. While a run is on nothing is left out yet: its parts are not
    whole.

    Parameters
    ----------
    results : ResultLayers
        Of a case.
    case : Case
        The patient.
    """
    volumes, lesion = results.volumes, results.lesion
    if volumes is None or lesion.is_in_run or not (volumes.cut.min_part or volumes.cut.min_peak):
        return None
    place = np.zeros(lesion.written.shape, np.bool_)
    for index in results.done.difference(lesion.edited_slices):
        place[index] = (volumes.probability[index] > results.threshold) & (lesion.written[index] == 0)
    parts = Parts.of(place)
    if parts is None:
        return None
    return LeftOut(parts.count, lesion_volume_ml(place, case.spacing), place)


def take_in(results: ResultLayers, case: Case) -> None:
    """Put what was left out into the lesion, as an edit of the reader's."""
    found = left_out(results, case)
    if found is not None:
        with results.lesion.editing("parts that were left out") as data:
            data[found.place] = 1
