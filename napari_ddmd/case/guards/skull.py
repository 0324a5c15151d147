"""Whether the skull is still there."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Sample

WHOLE_HEAD: Final = (
    "the images hold the whole head, and BRATS models expect skull-stripped ones: results are not to be trusted unless "
    "the skull is removed (for a DICOM study, a brain mask can be given)"
)
"""What is said of images whose skull is there."""

# Millimetres below the surface: shells that scalp or bone can fill, and where there is brain in any case. Noise in the
# air may have put the surface a little too far out.
_SHELLS: Final = tuple((float(low), low + 3.0) for low in range(0, 21, 2))
_BRAIN: Final = (25.0, 45.0)
_DIP: Final = 0.08


def find_skull(sample: Sample) -> list[Finding]:
    """Tell of a head: a dark shell of bone between two brighter ones, whatever the modality."""
    return [Finding(Kind.SKULL, WHOLE_HEAD)] if bone_contrast(sample) > _DIP else []


def bone_contrast(sample: Sample) -> float:
    """How dark a shell below the surface is against the brightest one outside it, and the brain inside it.

    In each modality, as a share of the brain's brightness; the least of all modalities. In a stripped brain at least
    T1 brightens from cortex to white matter without a gap, so that this is about 0.
    """
    return min(_dip(sample, np.abs(image - sample.air[name])) for name, image in sample.images.items())


def _dip(sample: Sample, values: NDArray[np.float32]) -> float:
    brain = _middle(sample, values, _BRAIN)
    shells = [_middle(sample, values, shell) for shell in _SHELLS]
    if brain <= 0:
        return 0.0
    return max(min(max(shells[:number]), brain) - shells[number] for number in range(1, len(shells))) / brain


def _middle(sample: Sample, values: NDArray[np.float32], shell: tuple[float, float]) -> float:
    inside = (sample.depth > shell[0]) & (sample.depth <= shell[1])
    return float(np.median(values[inside])) if inside.any() else 0.0
