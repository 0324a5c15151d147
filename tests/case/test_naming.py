from __future__ import annotations

import pytest

from napari_ddmd.case import MODALITIES, guess_modality
from napari_ddmd.case.naming import name_without_modality


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        # 2012
        ("BRATS_HG0001_T1.mha", "t1"),
        ("BRATS_HG0001_T1C.mha", "t1ce"),
        ("BRATS_HG0001_FLAIR.nii", "flair"),
        ("BRATS_LG0008_truth.nii.gz", "seg"),
        # 2013 to 2015
        ("VSD.Brain.XX.O.MR_T1.54513", "t1"),
        ("VSD.Brain.XX.O.MR_T1c.12345.nii", "t1ce"),
        ("VSD.Brain.XX.O.MR_T2.54515.nii.gz", "t2"),
        ("VSD.Brain.XX.O.MR_Flair.54512.nii", "flair"),
        ("VSD.Brain_3more.XX.O.OT.54517.nii", "seg"),
        # 2017 to 2021
        ("Brats18_2013_21_1_t1.nii.gz", "t1"),
        ("BraTS20_001_t1ce.nii.gz", "t1ce"),
        ("BraTS2021_00006_T2.NII.GZ", "t2"),
        ("BraTS2021_00006_flair.nii", "flair"),
        ("BraTS2021_00006_seg.nii.gz", "seg"),
        ("W39_1998.09.19_Segm.nii", "seg"),  # BraTS20_Training_355, as it was shipped
        # 2023
        ("BraTS-GLI-00000-000-t1n.nii.gz", "t1"),
        ("BraTS-GLI-00000-000-t1c.nii.gz", "t1ce"),
        ("BraTS-GLI-00000-000-t2w.nii.gz", "t2"),
        ("BraTS-GLI-00000-000-t2f.nii.gz", "flair"),
        ("BraTS-GLI-00000-000-seg.nii.gz", "seg"),
        # layers, and what users make of the names
        ("flair", "flair"),
        ("T1 [1]", "t1"),
        ("patient 7 T1 Gd", "t1ce"),
        ("x_t1_ce.nii", "t1ce"),
        ("x_t2_flair.nii", "flair"),
        ("t1_study_patient_t2.nii", "t2"),
    ],
)
def test_every_naming_of_the_challenge_is_known(name: str, modality: str) -> None:
    assert guess_modality(name) == modality


@pytest.mark.parametrize(
    "name",
    [
        "",
        "BraTS2021_00006",
        "image.nii.gz",
        "T100.nii",
        "Patient_T2star2.nii",
        "BraTS20_Training_002_probability.nii.gz",
        "BraTS20_Training_002_intra.nii.gz",
        "BraTS20_Training_002_uncertainty.nii.gz",
        "lesion",
    ],
)
def test_other_names_tell_nothing(name: str) -> None:
    assert guess_modality(name) is None


@pytest.mark.parametrize("name", ["BraTS20_Training_002_mask.nii.gz", "brain_mask.nii.gz"])
def test_predicted_and_brain_masks_do_not_pass_for_the_truth(name: str) -> None:
    assert guess_modality(name) is None


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_modalities_own_names_are_known(modality: str) -> None:
    assert guess_modality(modality) == modality


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("BraTS20_001_t1ce.nii.gz", "BraTS20_001"),
        ("BraTS-GLI-00000-000-t2f.nii", "BraTS-GLI-00000-000"),
        ("t1_patient 5.NII", "patient 5"),
        ("x_t1_ce.nii", "x"),
        ("scan.nii.gz", "scan"),
        ("flair.nii", ""),
        ("İnci_flair.nii.gz", "İnci"),  # one letter that is two in lower case
    ],
)
def test_what_a_name_says_beside_the_modality(name: str, rest: str) -> None:
    assert name_without_modality(name) == rest
