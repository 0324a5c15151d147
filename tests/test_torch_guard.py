from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from napari_ddmd.model import untrained_bundle
from napari_ddmd.torch_guard import keep_triton_out

WITH_LLVM = "7f00-7f01 r-xp 00000000 08:01 42 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1\n"
WITHOUT = "7f00-7f01 r-xp 00000000 08:01 42 /usr/lib/x86_64-linux-gnu/libGL.so.1\n"


@pytest.fixture
def _no_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "triton")


@pytest.mark.usefixtures("_no_triton")
def test_triton_is_hidden_once_mesa_has_brought_its_llvm(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text(WITHOUT + WITH_LLVM)
    assert keep_triton_out(maps)
    assert importlib.util.find_spec("triton") is None
    with pytest.raises(ModuleNotFoundError):
        import triton  # noqa: F401
    assert keep_triton_out(maps)


@pytest.mark.usefixtures("_no_triton")
def test_triton_is_left_alone_without_mesa(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text(WITHOUT)
    assert not keep_triton_out(maps)
    assert "triton" not in sys.modules


@pytest.mark.usefixtures("_no_triton")
def test_systems_without_the_list_are_left_alone(tmp_path: Path) -> None:
    assert not keep_triton_out(tmp_path / "nowhere")
    assert "triton" not in sys.modules


def test_a_triton_that_came_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = tmp_path / "maps"
    maps.write_text(WITH_LLVM)
    first = type(sys)("triton")
    monkeypatch.setitem(sys.modules, "triton", first)
    assert not keep_triton_out(maps)
    assert sys.modules["triton"] is first


@pytest.mark.usefixtures("_no_triton")
def test_whoever_builds_a_network_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("napari_ddmd.model.denoiser.keep_triton_out", lambda: asked.append("asked"))
    untrained_bundle("mini")
    assert asked
