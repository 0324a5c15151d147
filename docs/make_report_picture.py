"""Make the picture of the report: ``python docs/make_report_picture.py``.

The sample case is segmented by the bundled model, its report is printed to a page, and the page is drawn. Needs
``pip install weasyprint pypdfium2``, which the package itself does not.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pypdfium2
from weasyprint import HTML

from napari_ddmd.case import find_case_files
from napari_ddmd.model import load_bundle
from napari_ddmd.predict import PredictSettings, predict_case
from napari_ddmd.synthetic import write_case

IMAGES = Path(__file__).parent / "images"
DOTS_PER_INCH = 110


def main() -> None:
    """Segment, report, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the picture")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = write_case(folder / "Synthetic_000", seed=0)
        done = predict_case(
            find_case_files(case), load_bundle("compact"), folder / "out", PredictSettings(), report=True
        )
        (page,) = done.folder.glob("*_report.html")
        printed = HTML(str(page)).write_pdf()
    document = pypdfium2.PdfDocument(printed)
    if len(document) != 1:
        raise SystemExit(f"the report takes {len(document)} pages, not one")
    options.out.mkdir(parents=True, exist_ok=True)
    picture = options.out / "report.png"
    document[0].render(scale=DOTS_PER_INCH / 72).to_pil().save(picture, optimize=True)
    print(picture)


if __name__ == "__main__":
    main()
