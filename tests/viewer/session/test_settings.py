from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from napari_ddmd.model import Bundle, save_bundle
from napari_ddmd.viewer.run_settings import Sampling, SliceMode
from napari_ddmd.viewer.session.settings import PanelSettings
from napari_ddmd.viewer.session.stored_window import StoredSettings
from napari_ddmd.viewer.widgets import model_box
from napari_ddmd.viewer.widgets.model_box import Installed
from napari_ddmd.viewer.widgets.panel import SegmentationPanel

SAMPLING = Sampling(samples=7, steps=9, sampler="ddpm", seed=11, device="cpu")


@pytest.fixture
def wanted(tiny_bundle: Bundle) -> StoredSettings:
    return StoredSettings(SliceMode.RANGE, 2, 5, SAMPLING, "tiny", tiny_bundle.sha256, 0.35, "Save", "single")


@pytest.fixture
def remarks() -> list[str]:
    return []


def give(panel: SegmentationPanel, wanted: StoredSettings, remarks: list[str]) -> None:
    settings = PanelSettings(panel)
    settings.remarked.connect(remarks.append)
    settings.give(wanted)


def test_the_panel_is_set(window: tuple[Any, SegmentationPanel], wanted: StoredSettings, remarks: list[str]) -> None:
    _viewer, panel = window
    give(panel, wanted, remarks)
    assert panel.sampling_box.sampling == SAMPLING
    choice = panel.slice_box.choice
    assert (choice.mode, choice.first, choice.last) == (SliceMode.RANGE, 2, 5)
    assert panel.tabs.tabText(panel.tabs.currentIndex()) == "Save"
    assert panel.desk.threshold == 0.35
    assert panel.result_box.threshold.value() == pytest.approx(0.35)
    assert remarks == []


def test_what_is_not_here_is_told(
    window: tuple[Any, SegmentationPanel], wanted: StoredSettings, remarks: list[str]
) -> None:
    _viewer, panel = window
    elsewhere = dataclasses.replace(
        wanted,
        model_name="huge",
        model_sha256="f" * 64,
        sampling=dataclasses.replace(SAMPLING, device="cuda", sampler="magic"),
        tab="Dream",
    )
    give(panel, elsewhere, remarks)
    assert panel.sampling_box.sampling == dataclasses.replace(SAMPLING, device="auto", sampler="ddim")
    assert len(remarks) == 2
    assert panel.desk.threshold == panel.result_box.threshold.value() == 0.5, "of another model"
    assert 'has no "cuda"' in remarks[0]
    assert '"huge" is not installed here' in remarks[1]
    assert 'with "untrained" begins anew' in remarks[1]


def test_the_sessions_model_is_loaded_whenever_the_models_are_found(
    make_napari_viewer: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_model_folder: Path,
    tiny_bundle: Bundle,
    wanted: StoredSettings,
    remarks: list[str],
    qtbot: QtBot,
) -> None:
    other = save_bundle(tmp_path / "other", dataclasses.replace(tiny_bundle, name="other", card="x"))
    here = Installed((other, tiny_model_folder), "other", ("cpu",), ("ddim", "dpm-solver++", "ddpm"))
    monkeypatch.setattr(model_box, "find_installed", lambda: here)
    viewer = make_napari_viewer()
    _dock, panel = viewer.window.add_plugin_dock_widget("napari-ddmd", "Find lesions")
    changed = dataclasses.replace(wanted, model_sha256="e" * 64)
    give(panel, changed, remarks)
    assert panel.model_box.bundle is None
    qtbot.waitUntil(lambda: bool(remarks), timeout=20_000)
    assert panel.model_box.model_list.currentText() == "tiny"
    assert "not in the same version" in remarks[0]
    assert panel.sampling_box.sampling == SAMPLING
    # It is given once: whoever chooses another model then gets that one's defaults.
    panel.model_box.model_list.setCurrentText("other")
    qtbot.waitUntil(lambda: panel.model_box.bundle is not None, timeout=20_000)
    assert panel.sampling_box.samples.value() == tiny_bundle.settings.sampling.samples
