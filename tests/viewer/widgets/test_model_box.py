from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.model import save_bundle, untrained_bundle
from napari_ddmd.viewer.widgets import model_box
from napari_ddmd.viewer.widgets.model_box import Installed, ModelBox, find_installed
from tests.model.forgery import description, pickled


@pytest.fixture
def open_box(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelBox]:
    def open_(*models: Path) -> ModelBox:
        here = Installed(models, "tiny", ("cpu",), ("ddim",))
        monkeypatch.setattr(model_box, "find_installed", lambda: here)
        box = ModelBox()
        qtbot.addWidget(box)
        with qtbot.waitSignal(box.installed, timeout=5000) as signal:
            pass
        assert signal.args == [here]
        return box

    return open_


def test_what_is_installed_is_found(monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path) -> None:
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tiny_model_folder.parent))
    found = find_installed()
    assert tiny_model_folder in found.models
    assert "cpu" in found.devices
    assert found.samplers == ("ddim", "dpm-solver++", "ddpm")


def test_the_default_model_is_loaded(
    open_box: Callable[..., ModelBox], tiny_model_folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    first = save_bundle(tmp_path / "another", untrained_bundle("mini"))
    box = open_box(first, tiny_model_folder)
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    assert box.model_list.currentText() == "tiny"
    assert box.bundle is not None
    assert box.bundle.variant == "full"
    assert "full" in box.about.text()
    assert "inter and intra maps" in box.about.text()
    assert box.bundle.card in box.about.toolTip()
    box.model_list.setCurrentIndex(0)
    assert box.bundle is None
    qtbot.waitUntil(lambda: box.bundle is not None and box.bundle.variant == "mini", timeout=10_000)


def test_a_model_is_coming_until_it_is_there_or_cannot_be(
    open_box: Callable[..., ModelBox], tiny_model_folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    alone = ModelBox()
    qtbot.addWidget(alone)
    assert alone.is_coming, "they are looked for"
    assert not open_box().is_coming, "none is installed"
    box = open_box(tiny_model_folder)
    assert box.is_coming
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    assert not box.is_coming
    box.choose_folder(tmp_path)
    assert box.is_coming
    qtbot.waitUntil(lambda: not box.is_coming, timeout=10_000)
    assert box.bundle is None


def test_a_folder_can_be_chosen(open_box: Callable[..., ModelBox], tiny_model_folder: Path, qtbot: QtBot) -> None:
    box = open_box()
    assert "No model is installed" in box.about.text()
    box.choose_folder(tiny_model_folder)
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    box.choose_folder(tiny_model_folder)
    assert box.model_list.count() == 1
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)


def test_a_folder_that_is_chosen_while_models_are_looked_for_stays(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path, tmp_path: Path
) -> None:
    chosen = save_bundle(tmp_path / "chosen", untrained_bundle("mini"))
    here = Installed((tiny_model_folder, chosen), "tiny", ("cpu",), ("ddim",))
    monkeypatch.setattr(model_box, "find_installed", lambda: here)
    box = ModelBox()
    qtbot.addWidget(box)
    with qtbot.waitSignal(box.installed, timeout=10_000):
        box.choose_folder(chosen)
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    assert [box.model_list.itemText(index) for index in range(box.model_list.count())] == ["chosen", "tiny"]
    assert box.model_list.currentText() == "chosen"
    assert box.bundle is not None
    assert box.bundle.variant == "mini"


def test_a_folder_that_is_chosen_stays_where_no_model_can_be_looked_for(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tiny_model_folder: Path
) -> None:
    def fail() -> Installed:
        raise OSError("no such folder")

    monkeypatch.setattr(model_box, "find_installed", fail)
    box = ModelBox()
    qtbot.addWidget(box)
    with qtbot.waitSignal(box._finder.failed, timeout=10_000):
        box.choose_folder(tiny_model_folder)
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    assert "no such folder" not in box.about.text()


def test_a_folder_without_model_says_why(
    open_box: Callable[..., ModelBox], tiny_model_folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    box = open_box(tiny_model_folder)
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    box.choose_folder(tmp_path)
    qtbot.waitUntil(lambda: "model.json" in box.about.text(), timeout=10_000)
    assert box.bundle is None


@pytest.mark.fault("Hostile model", count=2)
def test_a_hostile_model_says_why_and_shows_no_page_of_its_own(
    open_box: Callable[..., ModelBox], tiny_model_folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    hostile, loud = (shutil.copytree(tiny_model_folder, tmp_path / name) for name in ("hostile", "loud"))
    pickled(hostile)
    page = "<img src='file:///etc/passwd'>"
    description(lambda content: content.update(card=page, version=page))(loud)
    box = open_box(tiny_model_folder)

    box.choose_folder(hostile)
    qtbot.waitUntil(lambda: "is no safetensors file" in box.about.text(), timeout=10_000)
    assert box.bundle is None

    box.choose_folder(loud)
    qtbot.waitUntil(lambda: box.bundle is not None, timeout=10_000)
    assert "<img" not in box.about.text() + box.about.toolTip()
    assert "&lt;img" in box.about.text()
