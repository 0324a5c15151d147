"""Make the picture of the dialog for DICOM series: ``python docs/make_dicom_picture.py``, under a display.

A study of the synthetic sample case, with a scout and a diffusion series beside the four that are wanted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from napari import Viewer
from qtpy.QtCore import QEventLoop, QTimer

sys.path.insert(0, str(Path(__file__).parents[1]))

from napari_ddmd.dicom import find_study, propose
from napari_ddmd.synthetic.case import make_case
from napari_ddmd.viewer.widgets.dicom_dialog import SeriesDialog
from tests.dicom.studies import SEQUENCES, StudyWriter, as_images, flat

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Write a study, open the dialog, photograph it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the picture")
    options = parser.parse_args()
    viewer = Viewer(show=False)
    with tempfile.TemporaryDirectory() as name:
        writer = StudyWriter(Path(name))
        writer.series(flat(), "localizer")
        writer.four(as_images(make_case(0)))
        writer.series(flat((64, 64, 24)), "ep2d_diff_3scan_trace", **SEQUENCES["t2"])
        dialog = SeriesDialog(propose(find_study(writer.folder)), viewer.window._qt_window)
        dialog.show()
        loop = QEventLoop()
        QTimer.singleShot(1000, loop.quit)
        loop.exec_()
        dialog.grab().save(str(options.out / "dicom.png"))
        dialog.close()
    viewer.close()


if __name__ == "__main__":
    main()
