"""How a lesion's mask is cut out of its probability."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.lesions import Parts

if TYPE_CHECKING:
    from napari_ddmd.model.settings import SamplingSettings


@dataclass(frozen=True)
class Cut:
    """The rule by which a model's lesion is cut.

    With a peak above the threshold it is thresholding with hysteresis (Canny 1986): where a lesion begins is asked for
    more than how far it goes.

    Attributes
    ----------
    threshold
        The model's own: the mask is where the probability exceeds it, unless another one is given.
    min_part
        Connected parts smaller than this share of the largest are left out; 0 keeps all.
    min_peak
        Parts in which the probability exceeds this nowhere are left out; 0 keeps all.
    """

    threshold: float = 0.5
    min_part: float = 0.0
    min_peak: float = 0.0

    @classmethod
    def of(cls, sampling: SamplingSettings) -> Cut:
        """The rule of a model's settings."""
        return cls(sampling.threshold, sampling.min_part, sampling.min_peak)

    def peak(self, threshold: float) -> float:
        """What a part must exceed somewhere at a threshold; the threshold itself where no more is asked.

        Below the model's own threshold it comes down with it in proportion, so that a lower one can find more parts.
        """
        share = min(1.0, threshold / self.threshold) if self.threshold > 0 else 1.0
        return max(threshold, share * self.min_peak)

    def asked_peak(self, threshold: float) -> float:
        """`peak` as it is told: 0 where no more than the threshold is asked."""
        peak = self.peak(threshold)
        return round(peak, 4) if peak > threshold else 0.0

    def mask(
        self,
        probability: NDArray[np.float32],
        threshold: float | None = None,
        *,
        open_slices: Collection[int] = (),
    ) -> NDArray[np.bool_]:
        """Where a probability exceeds a threshold, without the connected parts that are too small or too doubtful.

        Parameters
        ----------
        probability
            ``(S, H, W)``. Voxels that touch by a face, an edge or a corner belong to one part.
        threshold
            By default the model's own.
        open_slices
            Beyond which lesion may go on unseen: a part that touches one of them may be sure there, and is kept.

        Returns
        -------
        ndarray of bool
            ``(S, H, W)``. A part is large enough by all of its voxels, or by those that exceed the model's own peak, so
            that no lesion is lost because the faint rim of another is wide.
        """
        threshold = self.threshold if threshold is None else threshold
        mask = probability > threshold
        peak = self.peak(threshold)
        parts = Parts.of(mask) if self.min_part > 0 or peak > threshold else None
        if parts is None:
            return mask
        sizes = sure = parts.sizes
        kept = sizes > 0
        if peak > threshold:
            inside = probability[parts.box]
            kept[:] = False
            kept[parts.numbers[inside > peak]] = True
            sure = np.bincount(parts.numbers[inside > self.min_peak], minlength=len(sizes))
        if peak > threshold and open_slices:
            first, last = parts.box[0].start, parts.box[0].stop
            kept[parts.numbers[[index - first for index in open_slices if first <= index < last]]] = True
            kept[0] = False
        is_large = sizes >= self.min_part * sizes[kept].max(initial=0)
        is_large |= (sure > 0) & (sure >= self.min_part * sure.max())
        kept &= is_large
        if kept[1:].all():
            return mask
        mask[parts.box] = kept[parts.numbers]
        return mask
