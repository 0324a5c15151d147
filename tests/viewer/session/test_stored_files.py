"""Sessions and edits that earlier versions wrote (`files/make.py`): read today, or a later change has broken them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd.cut import Cut
from napari_ddmd.viewer.autosave import Autosave, LaterEditsError, read_edits
from napari_ddmd.viewer.session.archive import SessionError, read_session
from napari_ddmd.viewer.session.capture import capture
from napari_ddmd.viewer.session.loading import load
from napari_ddmd.viewer.session.settings import PanelSettings
from napari_ddmd.viewer.session.stored import SESSION, VERSION
from tests.viewer.session.conftest import OpenPanel, change_document, members_of, put_into_window, write_members

FILES = Path(__file__).parent / "files"
SHAPE = (8, 28, 24)
VERSIONS = range(1, VERSION + 1)


def raw(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """What is in a session file, read without this package."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members.pop("session.json"))
    return document, {name[:-4]: np.load(io.BytesIO(content)) for name, content in members.items()}


def assert_within(part: Any, whole: Any, where: str = "session") -> None:
    """All that was written is still there; later versions may know more."""
    if isinstance(part, dict):
        for key, value in part.items():
            assert_within(value, whole[key], f"{where}.{key}")
    elif isinstance(part, list):
        assert len(part) == len(whole), where
        for number, (one, other) in enumerate(zip(part, whole, strict=True)):
            assert_within(one, other, f"{where}[{number}]")
    else:
        assert part == whole, where


@pytest.mark.fault("Same result")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_of_then_is_what_it_was(version: int) -> None:
    path = FILES / f"session-{version}.ddmd"
    document, arrays = raw(path)
    session = read_session(path)
    loaded = load(path, session, [])

    assert document["version"] == version
    assert_within({**document, "version": 0}, {**SESSION.dump_python(session, mode="json"), "version": 0})
    np.testing.assert_array_equal(loaded.case.images, arrays["images"])
    assert loaded.case.grid.shape == SHAPE
    assert loaded.volumes is not None
    done = sorted(loaded.volumes.done)
    assert done == document["results"]["done"] == [2, 3, 4, 5, 6]
    for name in ("probability", "uncertainty", "inter", "intra"):
        np.testing.assert_array_equal(getattr(loaded.volumes, name)[done], arrays[name])
    np.testing.assert_array_equal(loaded.volumes.samples[:, done], arrays["samples"])
    assert loaded.lesion is not None
    for layer, name in zip(loaded.lesion, ("lesion", "written"), strict=True):
        np.testing.assert_array_equal(layer, arrays[name])
    assert (arrays["lesion"] != arrays["written"]).any(), "it holds an edit"
    np.testing.assert_array_equal(loaded.layers["mask 0"][0], arrays["mask_0"])
    assert (loaded.numbering is None) == (version < 4)
    assert loaded.volumes is not None
    evened = {5: None, 6: ("t1", "flair"), 7: ("t1", "flair")}  # 5 may have evened images out, and does not say which
    assert loaded.volumes.evened == evened.get(version, ())
    assert loaded.recipe is not None
    assert loaded.recipe.cut == loaded.volumes.cut == (Cut(0.5, 0.1) if version < 7 else Cut(0.45, 0.1, 0.6))
    if loaded.numbering is not None:
        np.testing.assert_array_equal(loaded.numbering.places, arrays["numbers"])
        assert loaded.numbering.highest == document["highest_number"] == 2


@pytest.mark.torture
@pytest.mark.fault("Same result")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_window_opens_it(version: int, open_panel: OpenPanel) -> None:
    path = FILES / f"session-{version}.ddmd"
    document, arrays = raw(path)
    session = read_session(path)
    viewer, panel = open_panel()
    put_into_window(load(path, session, []), panel)
    PanelSettings(panel).give(session.settings)

    np.testing.assert_array_equal(viewer.layers["lesion"].data, arrays["lesion"])
    assert panel.desk.threshold == document["settings"]["threshold"] == 0.7
    assert panel.sampling_box.seed.value() == document["settings"]["sampling"]["seed"] == 17
    again = SESSION.dump_python(session, mode="json")
    assert capture(panel).parts["results"] == session.results
    assert [look["key"] for look in again["looks"]] == [look.key for look in capture(panel).parts["looks"]]


def test_every_version_has_its_file() -> None:
    """Who raises the version stores a file of it, and keeps the earlier ones."""
    assert {path.name for path in FILES.glob("*.ddmd")} == {f"session-{version}.ddmd" for version in VERSIONS}


@pytest.mark.fault("Same result")
def test_a_session_of_the_next_version_asks_for_an_update(tmp_path: Path) -> None:
    members = members_of(FILES / f"session-{VERSION}.ddmd")
    later = change_document(members, lambda document: document.update(version=VERSION + 1, package="9.1", more=[]))
    with pytest.raises(SessionError, match=r"later version of napari-ddmd \(9\.1\); update it") as caught:
        read_session(write_members(tmp_path / "s.ddmd", later))
    assert "\n" not in str(caught.value)


@pytest.mark.fault("Same result")
def test_edits_of_then_come_back() -> None:
    edits = read_edits(FILES / "autosave-1.npz", SHAPE)
    _document, arrays = raw(FILES / "session-1.ddmd")
    np.testing.assert_array_equal(edits.mask, arrays["lesion"])
    np.testing.assert_array_equal(edits.written, arrays["written"])
    assert edits.threshold == 0.7
    assert edits.edited_slices == [4]


@pytest.mark.fault("Same result")
def test_edits_of_a_later_version_are_left_for_it(tmp_path: Path) -> None:
    with np.load(FILES / "autosave-1.npz", allow_pickle=False) as stored:
        content = {name: stored[name] for name in stored.files}
    path = tmp_path / "0123-later.npz"
    np.savez_compressed(path, **content, layer=np.zeros(SHAPE, np.uint8))  # type: ignore[arg-type]
    with pytest.raises(LaterEditsError, match="update it to get them back") as caught:
        read_edits(path, SHAPE)
    assert "\n" not in str(caught.value)

    found, problems = Autosave(tmp_path).find("0123", SHAPE)
    assert found is None
    assert problems == [str(caught.value)]
    assert path.exists(), "it is not taken for broken"
