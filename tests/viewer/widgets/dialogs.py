"""The package's own dialogs, each as full as it gets."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QWidget

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.dicom import find_study, propose
from napari_ddmd.saveable import Saveable
from napari_ddmd.viewer.keys import Key
from napari_ddmd.viewer.saving import KINDS, result_files
from napari_ddmd.viewer.widgets.dicom_dialog import SeriesDialog
from napari_ddmd.viewer.widgets.keys_box import KeysDialog
from napari_ddmd.viewer.widgets.save_dialog import SaveChoice, SaveDialog
from tests.dicom.studies import StudyWriter, flat
from tests.results import finished

LONG = "t2_tse_tra_320_p2_whole_head_thin_slices_second_attempt_moved"


def keys_dialog(parent: QWidget) -> KeysDialog:
    """With as many keys as the panel has."""
    keys = [Key(f"F{number}", "accept the mask as it stands, or take that back", print) for number in range(1, 14)]
    return KeysDialog(keys, parent)


def series_dialog(parent: QWidget, folder: Path) -> SeriesDialog:
    """Of two examinations, with many series, long names, one that lacks a slice, and a file that is damaged."""
    for name in ("before", "after"):
        writer = StudyWriter(folder / name)
        writer.four(dict.fromkeys(MODALITIES, flat()))
        for left_out in ((), (4,)):
            for description in ("localizer", LONG, "ep2d_diff_3scan_trace_p2_ADC", "t1_mprage_sag_p2_iso"):
                writer.series(flat(), description, left_out=left_out)
    (folder / "broken.dcm").write_text("")
    return SeriesDialog(propose(find_study(folder)), parent)


def save_dialog(parent: QWidget, folder: Path, case: Case) -> SaveDialog:
    """With everything ticked, and every file there already."""
    volumes = finished(case)
    content = Saveable(case=case, mask=volumes.mask(), volumes=volumes, is_models=True)
    for file in result_files(folder, frozenset(KINDS), content):
        file.write_text("")
    return SaveDialog(content, SaveChoice(folder, frozenset(KINDS)), parent)
