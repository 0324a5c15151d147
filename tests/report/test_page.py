from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.case import MODALITIES, Case
from napari_ddmd.model import Bundle
from napari_ddmd.report import report_page, write_report
from napari_ddmd.saveable import ModelFacts, Saveable
from napari_ddmd.whole_files import ExportError
from tests.results import finished

Make = Callable[..., Saveable]


@pytest.fixture
def make(small_case: Case, tiny_bundle: Bundle) -> Make:
    def make_one(case: Case = small_case, **more: Any) -> Saveable:
        volumes = more.pop("volumes", None) or finished(case)
        given: dict[str, Any] = {
            "mask": volumes.mask(),
            "volumes": volumes,
            "model": ModelFacts.of(tiny_bundle),
            "settings": {"samples": 3, "seed": 41, "shared_guess": True},
            "threshold": 0.5,
            "is_models": True,
        }
        return Saveable(case=case, **(given | more))

    return make_one


class Reader(HTMLParser):
    """What a page is made of; complains of tags that are not closed in order."""

    VOID = ("meta", "img")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_tells_all_and_needs_nothing_else(make: Make) -> None:
    page = report_page(make())
    reader = Reader(page)
    assert reader.all("html") == [{"lang": "en"}]
    assert "Small_001" in reader.text
    for words in (
        "1 lesion",
        "was not edited by hand",
        "All 6 slices that hold brain were segmented.",
        "For research use only",
        "Seed",
        "41",
        "Masks share the first estimate",
        "yes",
        "untrained",
    ):
        assert words in reader.text, words
    pictures = reader.all("img")
    # FLAIR, three maps and the plot.
    assert len(pictures) == 5
    assert all((picture["src"] or "").startswith("data:image/png;base64,iVBOR") for picture in pictures)
    assert all(picture["alt"] for picture in pictures)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.tags}
    assert not re.search(r"https?:|url\(|@import", page)


def test_of_the_patient_only_the_name_goes_in(make: Make, small_case: Case) -> None:
    flair = small_case.files.images["flair"]
    header = small_case.header.copy()
    header["descrip"] = b"Jane Doe 1970-01-01"
    case = dataclasses.replace(
        small_case, header=header, warnings=(f"{flair}: the header does not tell the orientation",)
    )
    page = report_page(make(case))
    assert str(flair.parent) not in page
    assert str(flair.parent.parent) not in page
    assert "Jane" not in page
    assert "<li>the FLAIR image: the header does not tell the orientation</li>" in page


def test_markup_in_names_is_text(make: Make, small_case: Case, tiny_bundle: Bundle) -> None:
    nasty = "<script>alert(\"x\" & 'y')</script>"
    case = dataclasses.replace(small_case, name=nasty, warnings=(nasty,))
    model = dataclasses.replace(ModelFacts.of(tiny_bundle), name=nasty, version=nasty, card=nasty)
    page = report_page(make(case, model=model, settings={nasty: nasty}))
    reader = Reader(page)
    assert "<script" not in page
    assert reader.text.count(nasty) >= 6


def test_nothing_was_found(make: Make, small_case: Case) -> None:
    reader = Reader(report_page(make(mask=np.zeros(small_case.grid.shape, np.uint8))))
    assert "No lesion in the mask" in reader.text
    assert reader.all("table") == []
    assert len(reader.all("img")) == 5


def test_some_slices_are_done(make: Make, small_case: Case) -> None:
    reader = Reader(report_page(make(volumes=finished(small_case, slices=[3]))))
    assert "Only 1 of 6 slices that hold brain were segmented" in reader.text
    # The lesion is largest elsewhere, where there are no maps.
    elsewhere = np.zeros(small_case.grid.shape, np.uint8)
    elsewhere[5, 10:14, 10:14] = 1
    reader = Reader(report_page(make(volumes=finished(small_case, slices=[3]), mask=elsewhere)))
    assert next(picture["alt"] for picture in reader.all("img")) == (
        "Axial FLAIR slice 2 with the outline of lesion 1."
    )
    assert len(reader.all("img")) == 2


def test_a_model_without_maps(make: Make, small_case: Case) -> None:
    volumes = finished(small_case, intra=False)
    volumes.inter = None
    volumes.scores.clear()
    reader = Reader(report_page(make(volumes=volumes)))
    alts = [picture["alt"] or "" for picture in reader.all("img")]
    assert len(alts) == 3
    assert alts[2].startswith("Curves over the slices: expected lesion area in cm².")
    assert "inter score" not in reader.text


def test_a_mask_without_any_run(small_case: Case) -> None:
    assert small_case.mask is not None
    reader = Reader(report_page(Saveable(case=small_case, mask=small_case.mask)))
    assert "drawn or opened by the user" in reader.text
    assert "No slice was segmented by a model." in reader.text
    assert "probability" not in reader.text
    assert "Settings" not in reader.text
    assert len(reader.all("img")) == 1
    nothing = Saveable(case=small_case, mask=np.zeros(small_case.grid.shape, np.uint8))
    assert len(Reader(report_page(nothing)).all("img")) == 1


def test_the_expert_is_shown_when_asked_for(make: Make) -> None:
    without, with_expert = (report_page(make(with_expert=shown)) for shown in (False, True))
    assert "dashed: expert's mask" not in Reader(without).text
    assert "dashed: expert's mask" in Reader(with_expert).text


def test_it_is_written_whole_or_not_at_all(make: Make, tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", make())
    assert path.read_text("utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ExportError, match=r"nowhere/report\.html: cannot be written"):
        write_report(tmp_path / "nowhere" / "report.html", make())


def test_without_flair_another_image_is_shown(make: Make, small_case: Case) -> None:
    images = small_case.images.copy()
    images[MODALITIES.index("flair")] = 0
    reader = Reader(report_page(make(case=dataclasses.replace(small_case, images=images))))
    alts = [picture["alt"] or "" for picture in reader.all("img")]
    assert alts[0].startswith("Axial T2 slice ")
    assert not any("FLAIR" in alt for alt in alts)


def test_files_that_run_downwards_are_numbered_against_the_viewer(make: Make, small_case: Case) -> None:
    downwards = Reader(report_page(make())).text
    assert small_case.grid.file_slice(0) == 7
    assert "as in the files, which begin at the upper end: 7 is slice 0 in napari." in downwards
    upwards = Case.from_arrays("Up", small_case.images)
    assert upwards.grid.file_slice(0) == 0
    assert "upper end" not in Reader(report_page(make(upwards))).text
