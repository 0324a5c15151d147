"""A session tells nothing of the patient but the case's name, and where the images are if they are not in it."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import pytest

from napari_ddmd.case import Case, CaseWarning, load_case
from napari_ddmd.viewer.session.archive import read_session
from napari_ddmd.viewer.session.capture import Snapshot, save
from tests.canary import WORD, plant, tells, told
from tests.conftest import CaseWriter
from tests.viewer.session.conftest import members_of


@pytest.fixture
def planted(tmp_path: Path, write_small_case: CaseWriter) -> Case:
    folder = plant(write_small_case(tmp_path / f"{WORD}_Jane_Doe" / "Chosen_001"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        return load_case(folder)


@pytest.mark.fault("Privacy")
def test_a_session_with_its_images_tells_only_the_name(snapshot: Snapshot, planted: Case, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    path = save(dataclasses.replace(snapshot, case=planted), tmp_path / "saved" / "s.ddmd", with_images=True)
    assert told(path.parent) == []
    assert "the header does not tell the orientation" in "\n".join(read_session(path).case.warnings)


@pytest.mark.fault("Privacy")
def test_a_session_without_its_images_tells_beside_the_name_where_they_are(
    snapshot: Snapshot, planted: Case, tmp_path: Path
) -> None:
    path = save(dataclasses.replace(snapshot, case=planted), tmp_path / "s.ddmd", with_images=False)
    members = members_of(path)
    document = json.loads(members.pop("session.json"))
    places = [document["case"].pop("images"), document["case"].pop("mask_file")]
    assert tells(json.dumps(places).encode())
    assert not tells(json.dumps(document).encode())
    assert [name for name, content in members.items() if tells(content)] == []
