from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_ddmd import synthetic
from napari_ddmd.case import MODALITIES
from napari_ddmd.synthetic import SyntheticCase
from napari_ddmd.viewer import sample_data
from napari_ddmd.viewer.layer_tag import tag_of
from napari_ddmd.viewer.sample_data import SAMPLE_NAME, load_sample_data, sample_case
from napari_ddmd.whole_files import ExportError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache" / SAMPLE_NAME
    monkeypatch.setattr(sample_data, "cache_folder", lambda: folder)
    return folder


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, write_small_case: Callable[..., Path]) -> list[str]:
    """What was made, with a small case in the place of the full one."""
    made: list[str] = []

    def write_case(folder: Path, seed: int, name: str) -> Path:
        made.append("files")
        assert folder.name == name
        return write_small_case(folder)

    def make_case(seed: int) -> SyntheticCase:
        made.append("arrays")
        volume = np.zeros((5, 6, 7), np.int16)
        volume[2, 3, 4] = 1
        return SyntheticCase(dict.fromkeys(MODALITIES, volume), volume.astype(np.uint8), np.diag([1.0] * 4))

    monkeypatch.setattr(synthetic, "write_case", write_case)
    monkeypatch.setattr(synthetic, "make_case", make_case)
    return made


def test_the_sample_is_made_once(cache: Path, made: list[str]) -> None:
    first, second = sample_case(), sample_case()
    assert made == ["files"]
    assert first.name == second.name == SAMPLE_NAME
    np.testing.assert_array_equal(first.images, second.images)
    assert first.files.images["t1"].parent == cache


def test_the_menu_gets_the_layers_of_a_whole_case(cache: Path, made: list[str]) -> None:
    layers = load_sample_data()
    assert len(layers) == 5
    tag = tag_of(layers[0][1]["metadata"])
    assert tag is not None
    assert tag.case.name == SAMPLE_NAME


@pytest.mark.parametrize("fault", [PermissionError("read-only"), ExportError("read-only")])
def test_a_home_that_cannot_be_written_to_is_no_obstacle(
    fault: Exception, cache: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(synthetic, "write_case", refuse)
    case = sample_case()
    assert made == ["arrays"]
    assert case.files.images == {}
    assert case.mask is not None
    assert case.mask.any()


def test_the_cache_belongs_to_the_version() -> None:
    from napari_ddmd import __version__

    folder = sample_data.cache_folder()
    assert folder.parts[-2:] == (__version__, SAMPLE_NAME)
