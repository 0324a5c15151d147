from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.case.guards import Finding, check_images
from napari_ddmd.case.guards.sample import Sample, Spacing
from napari_ddmd.synthetic.case import make_small_case

Images = NDArray[np.float32]
# What the guards look at in any case, so that nothing is lost but time; they must say so.
SPACING: Spacing = (4.0, 4.0, 4.0)


@pytest.fixture(scope="session")
def brain() -> Images:
    """The images ``(C, S, H, W)`` of a synthetic patient in voxels of 4 mm."""
    made = make_small_case(0, (60, 60, 40))
    case = Case.from_arrays("brain", [made.images[name] for name in MODALITIES], affine=made.affine)
    assert case.spacing == SPACING
    case.images.setflags(write=False)
    return case.images


def by_name(images: Images) -> dict[str, Images]:
    return dict(zip(MODALITIES, images, strict=True))


def check(images: Images, spacing: Spacing = SPACING) -> tuple[Finding, ...]:
    return check_images(by_name(images), spacing)


def sample_of(images: Images, spacing: Spacing = SPACING) -> Sample:
    return Sample.of(by_name(images), spacing)
