from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_ddmd.case import Case
from napari_ddmd.cut import Cut
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.session.archive import SessionError, read_session
from napari_ddmd.viewer.session.capture import Snapshot, save
from napari_ddmd.viewer.session.case_files import find_images
from napari_ddmd.viewer.session.loading import Loaded, load
from napari_ddmd.viewer.session.stored_window import StoredMask
from tests.viewer.session.conftest import DONE, SHA


def reload(path: Path) -> Loaded:
    session = read_session(path)
    return load(path, session, find_images(path, session.case))


@pytest.mark.parametrize("with_images", [False, True])
def test_results_come_back(snapshot: Snapshot, tmp_path: Path, case: Case, with_images: bool) -> None:
    loaded = reload(save(snapshot, tmp_path / "s.ddmd", with_images=with_images))
    before, after = snapshot.volumes, loaded.volumes
    assert before is not None
    assert after is not None
    for name in ("probability", "uncertainty", "inter", "intra", "samples", "agreement"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert getattr(after, name).dtype == getattr(before, name).dtype
    assert after.done == before.done == set(DONE)
    assert after.scores == before.scores
    assert loaded.recipe is not None
    assert after.cut == loaded.recipe.cut == Cut(0.4, 0.1, 0.6)
    assert loaded.recipe.case is loaded.case
    assert loaded.recipe.model_sha256 == SHA
    assert loaded.lesion is not None
    np.testing.assert_array_equal(loaded.lesion[0], snapshot.copies["lesion"])
    np.testing.assert_array_equal(loaded.lesion[1], snapshot.copies["written"])
    np.testing.assert_array_equal(loaded.case.images, case.images)
    assert loaded.case.files.images == ({} if with_images else case.files.images)


def test_masks_lie_where_they_lay(snapshot: Snapshot, tmp_path: Path) -> None:
    tagged = StoredMask(True, "int32", (3, 2, 2), (0, 0, 0), ("mm",) * 3)  # type: ignore[arg-type]
    parts = {**snapshot.parts, "masks": (*snapshot.parts["masks"], tagged)}
    copies = {**snapshot.copies, "mask 1": snapshot.copies["mask 0"]}
    mine = dataclasses.replace(snapshot, parts=parts, copies=copies)
    loaded = reload(save(mine, tmp_path / "s.ddmd", with_images=False))
    data, drawn, kind = loaded.layers["mask 0"]
    assert (kind, data.dtype, drawn["scale"], tag_of(drawn.get("metadata", {}))) == (
        "labels",
        np.int32,
        (3, 2, 2),
        None,
    )
    _data, own, _kind = loaded.layers["mask 1"]
    tag = tag_of(own["metadata"])
    assert tag is not None
    assert tag.case is loaded.case
    assert own["translate"] == loaded.case.grid.translate


def test_results_that_do_not_fit_into_memory_are_refused(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(snapshot, tmp_path / "s.ddmd", with_images=False)
    # What is in the file would fit, what becomes of it would not.
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 200_000})())
    with pytest.raises(SessionError, match=r"s\.ddmd: needs"):
        reload(path)
