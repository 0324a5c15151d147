"""What the guards find goes with the results: to standard error, into the summary, into the report."""

from __future__ import annotations

import html
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmarks.wrong_uses import Images, Spacing, WrongUse, wrong_uses
from napari_ddmd.case import MODALITIES, Case, find_case_files
from napari_ddmd.case.guards import Kind
from napari_ddmd.model import Bundle
from napari_ddmd.predict import PredictSettings, predict_case
from napari_ddmd.synthetic.case import make_small_case


@pytest.fixture(scope="session")
def spacing() -> Spacing:
    """Of the images that `brain` has."""
    return 4.0, 4.0, 4.0


@pytest.fixture(scope="session")
def brain(spacing: Spacing) -> Images:
    """The images ``(C, S, H, W)`` of a synthetic patient."""
    made = make_small_case(0, (60, 60, 40))
    case = Case.from_arrays("brain", [made.images[name] for name in MODALITIES], affine=made.affine)
    assert case.spacing == spacing
    return case.images


@pytest.mark.fault("Wrong use")
def test_results_carry_what_is_wrong(small_case_folder: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    told: list[str] = []
    files = find_case_files(small_case_folder)
    done = predict_case(
        files, tiny_bundle, tmp_path, PredictSettings(slices=(3, 5), samples=1), report=True, remark=told.append
    )
    texts = [str(finding) for finding in done.case.findings]

    assert {finding.kind for finding in done.case.findings} == {Kind.SPACING, Kind.EMPTY}
    assert [f"{files.name}: {text}" for text in texts] == told[:2]
    assert done.summary["warnings"] == texts
    (report,) = done.folder.glob("*.html")
    page = report.read_text(encoding="utf-8")
    assert all(text in page for text in texts)


# Images that are empty, or one image under two names, are refused before.
REFUSED = (None, Kind.EMPTY, Kind.DUPLICATE)
FIRST_OF_KIND = {use.kind: use for use in reversed(list(wrong_uses())) if use.kind not in REFUSED}


@pytest.mark.fault("Wrong use")
@pytest.mark.parametrize("use", FIRST_OF_KIND.values(), ids=list(FIRST_OF_KIND))
def test_whatever_is_wrong_goes_with_the_results(
    use: WrongUse, brain: Images, spacing: Spacing, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    images, wrong_spacing = use.make(brain, spacing, np.random.default_rng(0))
    folder = tmp_path / "case"
    folder.mkdir()
    for name, image in zip(MODALITIES, images, strict=True):
        affine = np.diag([*reversed(wrong_spacing), 1.0])
        nibabel.save(nibabel.Nifti1Image(image.transpose(2, 1, 0), affine), folder / f"case_{name}.nii.gz")
    told: list[str] = []
    done = predict_case(
        find_case_files(folder),
        tiny_bundle,
        tmp_path / "out",
        PredictSettings(slices=(10, 11), samples=1),
        report=True,
        remark=told.append,
    )
    found = [finding for finding in done.case.findings if finding.kind is use.kind]

    assert len(found) >= 1
    page = (done.folder / "case_report.html").read_text(encoding="utf-8")
    for finding in found:
        assert f"case: {finding}" in told
        assert str(finding) in done.summary["warnings"]
        assert html.escape(str(finding)) in page


def test_a_case_is_looked_at_once(small_case: Case) -> None:
    assert small_case.findings is small_case.findings


def test_what_is_said_twice_is_saved_once(small_case: Case) -> None:
    from dataclasses import replace

    case = replace(small_case, warnings=(str(small_case.findings[0]), "something else"))

    assert case.cautions == (str(small_case.findings[0]), "something else", str(small_case.findings[1]))
