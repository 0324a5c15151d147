from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_ddmd.synthetic.tumour import ENHANCING, NECROSIS, OEDEMA

from .conftest import Patient


def test_labels_are_those_of_brats_up_to_2021(patient: Patient) -> None:
    assert patient.tumour.labels.dtype == np.uint8
    assert np.unique(patient.tumour.labels).tolist() == [0, NECROSIS, OEDEMA, ENHANCING] == [0, 1, 2, 4]


def test_the_tumour_is_one_body_inside_the_brain(patient: Patient) -> None:
    lesion = patient.tumour.labels > 0
    assert ndimage.label(lesion)[1] == 1
    assert not (lesion & ~patient.anatomy.brain).any()
    core = (patient.tumour.labels == NECROSIS) | (patient.tumour.labels == ENHANCING)
    assert ndimage.label(core)[1] == 1
    ml = patient.grid.spacing**3 / 1000
    assert 8 < core.sum() * ml < 80
    assert 15 < (lesion & ~core).sum() * ml < 150


def test_the_rim_lies_around_the_necrosis(patient: Patient) -> None:
    labels = patient.tumour.labels
    depth = ndimage.distance_transform_edt((labels == NECROSIS) | (labels == ENHANCING))
    assert depth[labels == NECROSIS].mean() > 1.3 * depth[labels == ENHANCING].mean()


def test_oedema_spreads_in_white_matter_and_spares_fluid(patient: Patient) -> None:
    oedema = patient.tumour.labels == OEDEMA
    around = ndimage.binary_dilation(patient.tumour.labels > 0, iterations=2) & (patient.tumour.labels == 0)
    around &= patient.anatomy.brain
    assert patient.anatomy.white[oedema].mean() > 0.5
    assert patient.anatomy.white[oedema].mean() > 1.3 * patient.anatomy.white[around].mean()
    assert patient.anatomy.fluid[oedema].mean() < 0.1


def test_the_tumour_keeps_to_its_hemisphere(patient: Patient) -> None:
    x = patient.points[0][patient.tumour.labels > 0]
    assert np.mean(np.sign(x) == np.sign(np.median(x))) > 0.98


def test_tissue_gives_way_but_the_surface_stays(patient: Patient) -> None:
    size = np.sqrt((patient.growth.push**2).sum(0))
    depth = ndimage.distance_transform_edt(patient.healthy.brain) * patient.grid.spacing
    assert 2 < size.max() <= 9
    assert size[depth <= patient.grid.spacing].max() < 2.5


def test_depth_falls_from_the_core_to_the_front(patient: Patient) -> None:
    depth, lesion = patient.tumour.depth, patient.tumour.labels > 0
    assert depth.min() == 0
    assert depth.max() == 1
    inner = depth[ndimage.binary_erosion(lesion, iterations=3)].mean()
    assert inner > depth[lesion & ~ndimage.binary_erosion(lesion)].mean() + 0.2
