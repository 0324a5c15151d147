from __future__ import annotations

from typing import Any

import pytest

from napari_ddmd.dicom import find_study
from napari_ddmd.dicom.headers import SeriesFacts
from napari_ddmd.dicom.recognise import recognise, recognise_facts
from tests.dicom.studies import StudyWriter, flat

DESCRIPTIONS = {
    # Siemens
    "t1_mprage_sag_p2_iso": "t1",
    "t1_mprage_sag_p2_iso_KM": "t1ce",
    "t1_mpr_ns_tra_iso_gd": "t1ce",
    "t1_se_tra_KM_fs": "t1ce",
    "t1_fl2d_tra": "t1",
    "t1_vibe_tra_post": "t1ce",
    "t2_tse_tra_512": "t2",
    "t2_tirm_tra_dark-fluid_p2": "flair",
    "t2_space_dark-fluid_sag_p2_iso": "flair",
    "t2_spc_da-fl_irprep_sag_flair": "flair",
    "t2_fl2d_tra_hemo": None,
    "ep2d_diff_3scan_trace_p2_TRACEW": None,
    "ep2d_diff_3scan_trace_p2_ADC": None,
    "resolve_3scan_trace_tra_p2": None,
    "ep2d_perf_p2_MoCo": None,
    "AAHead_Scout_MPR_sag": None,
    "localizer": None,
    "SWI_Images": None,
    "Pha_Images": None,
    "mIP_Images(SW)": None,
    "TOF_3D_multi-slab": None,
    # GE
    "Ax T1 FLAIR": "t1",
    "Ax T1 FLAIR +C": "t1ce",
    "Ax T1 C+": "t1ce",
    "Ax T1 -C": "t1",
    "AX T2 FRFSE": "t2",
    "AX T2 PROPELLER": "t2",
    "Sag CUBE T2 FLAIR": "flair",
    "AX 3D BRAVO": "t1",
    "AX BRAVO +C": "t1ce",
    "3-PLANE LOC": None,
    "3D Ax SWAN": None,
    "Ax DWI 1000b": None,
    "Ax T2* GRE": None,
    "ASL (non-contrast) CBF": None,
    "Axial T1 w/o": "t1",
    "SAG T1 MPRAGE POST": "t1ce",
    "T1 enhanced": "t1ce",
    "t1_se (enhanced conversion)": "t1",
    # Philips
    "T1W_SE": "t1",
    "T1W_SE_Gd": "t1ce",
    "sT1W_3D_TFE": "t1",
    "sT1W_3D_TFE_KM": "t1ce",
    "T2W_TSE": "t2",
    "3D_Brain_VIEW_FLAIR_SHC": "flair",
    "FLAIR_longTR": "flair",
    "SmartBrain": None,
    "Survey_32ch": None,
    "DWI_3b_1000": None,
    "T2W_FFE": None,
    "VEN_BOLD": None,
    # Canon, Hitachi and names that people gave
    "FLAIR AX 3mm": "flair",
    "T1 AX pre": "t1",
    "3DT1": "t1",
    "AXT1CE": "t1ce",
    "t1w pre contrast": "t1",
    "T2 STIR cor": None,
    "SUB T1 post-pre": None,
    "T1 map": None,
    "T2 C-spine sag": None,
    "PD TSE tra": None,
    # German
    "T1 tra nativ": "t1",
    "T1 SE tra ohne KM": "t1",
    "T1 tra nach KM": "t1ce",
    "T1 cor post KM": "t1ce",
    "T1 MPR + Kontrastmittel": "t1ce",
    "T2 TSE transversal": "t2",
    "FLAIR koronar": "flair",
    "Übersicht": None,
    "T2 HWS sag": None,
    "Diffusion tra": None,
    "Subtraktion T1": None,
    "AX T1 C-": "t1",
    "T1 C -": "t1",
    "T1 (C-)": "t1",
    "T1 Gd-": "t1",
    "T1 KM-": "t1",
    "T1 KM- tra": "t1",
    "T1_POST_GD-": "t1ce",
    "T1 NACH KM- GABE": "t1ce",
    "T1 +C -": "t1ce",
    "AX T1 GADO-": "t1",
    "SAG T1 IV-": "t1",
    "T1 KM - tra": "t1ce",
    "T1 KM-tra": "t1ce",
    "T1 kontrastlos": "t1",
    "T1 kontrastfrei": "t1",
    "T1 KM-frei": "t1",
    "T1 non enhanced": "t1",
    "T1 not enhanced": "t1",
    "T1 un-enhanced": "t1",
    "T1 unenhanced": "t1",
    "T1 nonenhanced": "t1",
    "T1 sin contraste": "t1",
    "T1 con contraste": "t1ce",
    "T1 sem contraste": "t1",
    "T1 contrast none": "t1",
    "T1 KM ohne": "t1",
    "T1 KM ohne FS": "t1ce",
    "T1 MPRAGE PRE-OP +C": "t1ce",
    "T1 PRE-OP KM": "t1ce",
    "T1 PREOP KM": "t1ce",
    "T1 PRE RT +C": "t1ce",
    "T1 pre surgery gad": "t1ce",
    "AX T1 POST GD PRE-OP": "t1ce",
    "T1 PRE-OP": "t1",
    "T1 POST RT": "t1",
    "T1 post-op KM": "t1ce",
    "AX T1 PRE GAD": "t1",
    "T1 Pre-Contrast": "t1",
    "T1 PRE AND POST": "t1",
    # French
    "T1 SE AX SANS INJECTION": "t1",
    "AX T1 APRES GADO": "t1ce",
    "3D T1 EG INJECTE": "t1ce",
    "T1 avant injection": "t1",
    "T2 TSE AXIAL": "t2",
    "AX T2 FLAIR": "flair",
    "FLAIR 3D SAG GADO": "flair",
    "REPERAGE": None,
    "Diffusion axiale": None,
    "T2 écho de gradient*": "t2",  # the words alone do not tell; its sequence does
    "RACHIS CERVICAL T2": None,
}


@pytest.mark.parametrize(("description", "modality"), DESCRIPTIONS.items())
def test_descriptions(description: str, modality: str | None) -> None:
    guess = recognise_facts(SeriesFacts("1", "1", description=description))
    assert guess.modality == modality, guess
    assert guess.reason.startswith("left out: ") == (modality is None)


def facts(description: str = "", sequence: tuple[str, ...] = ("SE",), **values: Any) -> SeriesFacts:
    names = {"te": "echo_time", "tr": "repetition_time", "ti": "inversion_time"}
    more = {names.get(name, name): value for name, value in values.items()}
    return SeriesFacts("1", "1", description=description, sequence=sequence, **more)


@pytest.mark.parametrize(
    ("given", "modality"),
    [
        (facts(te=10, tr=500), "t1"),
        (facts(te=10, tr=500, has_agent=True), "t1ce"),
        (facts(te=100, tr=4500), "t2"),
        (facts(te=120, tr=9000, ti=2500, sequence=("SE", "IR")), "flair"),
        (facts(te=60, tr=4000, ti=150, sequence=("SE", "IR")), None),
        (facts(te=20, tr=3000), None),
        (facts(te=3, tr=2000, ti=900, sequence=("GR", "IR"), is_3d=True), "t1"),
        (facts(te=20, tr=600, sequence=("GR",)), None),
        (facts(te=100, tr=9000, sequence=("EP",)), None),
        (facts(), None),
        # Numbers overrule a name that cannot be meant so.
        (facts("t2_tra", te=15, tr=3000), None),
        (facts("T2 écho de gradient", te=25, tr=700, sequence=("GR",)), None),
        (facts("t2_tse_ir", te=110, tr=9000, ti=2400, sequence=("SE", "IR")), "flair"),
        (facts("t2_tirm_cor", te=60, tr=5000, ti=160, sequence=("SE", "IR")), None),
        (facts("AX T2 FLAIR", te=120, tr=9000, ti=2500, sequence=("SE", "IR")), "flair"),
        # What is said of the agent goes before what the header names for the whole examination.
        (facts("t1_tra nativ", has_agent=True), "t1"),
        (facts("t1_tra", has_agent=True), "t1ce"),
        (facts("flair", has_agent=True), "flair"),
        # The protocol counts only where the description says nothing.
        (facts("tra", protocol="t2_tse_tra"), "t2"),
        (facts("t2_tse", protocol="BRAIN W/WO + DWI"), "t2"),
        (facts("1", protocol="ep2d_diff"), None),
        # Image types and others
        (facts("t1_tra", image_type=("DERIVED", "SECONDARY", "MPR")), None),
        (facts("t1_tra", image_type=("ORIGINAL", "PRIMARY", "MPR")), None),
        (facts("t1_tra", image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), None),
        (facts("t2_tra", b_value=1000.0), None),
        (facts("t1_tra", kind="CT"), None),
    ],
)
def test_sequences(given: SeriesFacts, modality: str | None) -> None:
    guess = recognise_facts(given)
    assert guess.modality == modality, guess


def test_reasons_are_told() -> None:
    assert recognise_facts(facts(te=100, tr=4500)).reason == "T2 by TE 100 ms, TR 4500 ms"
    assert recognise_facts(facts("t1", has_agent=True)).reason == "T1 by description, the header names a contrast agent"
    assert recognise_facts(facts("t1", kind="CT")).reason == "left out: CT, not MR"


@pytest.mark.parametrize(
    ("slices", "left_out", "reason"),
    [(9, (), "left out: 9 slices only"), (14, (4,), "left out: lacks 1 slice"), (10, (), "T1 by description")],
)
def test_slices_count(writer: StudyWriter, slices: int, left_out: tuple[int, ...], reason: str) -> None:
    writer.series(flat((8, 8, slices)), left_out=left_out)
    (series,) = find_study(writer.folder).series
    assert recognise(series).reason.startswith(reason)
