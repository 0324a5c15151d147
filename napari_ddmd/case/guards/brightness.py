"""Images that one scanner coil, or a missing correction, has left brighter here than there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_ddmd.case.bias_field import find_bias_field
from napari_ddmd.case.guards.finding import Finding, Kind
from napari_ddmd.case.guards.sample import Spacing
from napari_ddmd.case.guards.wording import are, names_of

# Standard deviation of a field's logarithm, root mean square over the modalities; real cases: 0.06 to 0.16, much of it
# anatomy. With fields of 0.1 on them: 0.14 to 0.18; of 0.2: 0.19 to 0.25. A stronger contrast alone, a gamma of 1.6,
# brings 0.13 to 0.20, mostly no more than 0.24 of what tissue differs by where it is above 0.17, and fields of 0.2 are
# 0.28 to 0.74 of it. (Read off eleven of the fifteen patients that fields were put on.)
_UNEVEN: Final = 0.17
_UNEVEN_SHARE: Final = 0.28


def find_uneven(images: Mapping[str, NDArray[np.float32]], spacing: Spacing) -> list[Finding]:
    """Tell of a bias field that is stronger than what N4 sees in the images of the challenge."""
    field = find_bias_field(list(images.values()), spacing)
    if field.strength <= _UNEVEN or field.relative_strength <= _UNEVEN_SHARE:
        return []
    strengths = dict(zip(images, field.strengths, strict=True))
    found = [name for name, strength in strengths.items() if strength > _UNEVEN]
    most = max(strengths.values())
    return [
        Finding(
            Kind.UNEVEN,
            f"{names_of(found)} {are(found)} brighter in one part of the head than in another (a bias field of up to "
            f"{most:.0%}): look twice at what is found where an image is brightest",
        )
    ]
