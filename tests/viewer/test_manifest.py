from __future__ import annotations

import re
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest

import napari_ddmd

PACKAGED = Path(napari_ddmd.__file__).parent / "napari.yaml"
TOP_LEVEL = PACKAGED.parent.parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    """The manifest as napari finds it: through the installed distribution."""
    return PluginManifest.from_distribution("napari-ddmd")


def test_everything_that_the_manifest_names_can_be_imported(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    assert manifest.contributions.commands


def test_both_manifests_are_one_file() -> None:
    if not TOP_LEVEL.exists():
        pytest.skip("the package is installed without its source tree")
    assert TOP_LEVEL.is_symlink()
    assert TOP_LEVEL.samefile(PACKAGED)
    # Relative, so that it holds in every clone.
    assert TOP_LEVEL.readlink() == Path("napari_ddmd/napari.yaml")


def test_names_keep_to_the_conventions(manifest: PluginManifest) -> None:
    contributions = manifest.contributions
    for command in contributions.commands or ():
        assert re.fullmatch(r"napari-ddmd\.[a-z_]+", command.id)
    shown = [manifest.display_name]
    shown += [widget.display_name for widget in contributions.widgets or ()]
    shown += [writer.display_name for writer in contributions.writers or ()]
    shown += [sample.display_name for sample in contributions.sample_data or ()]
    assert all(name and "(" not in name for name in shown)


def test_the_panel_is_in_the_segment_menu(manifest: PluginManifest) -> None:
    items = (manifest.contributions.menus or {})["napari/layers/segment"]
    assert [item.command for item in items] == ["napari-ddmd.open_panel"]


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "X_T1.NII.GZ"])
def test_nifti_files_and_folders_reach_the_reader(manifest: PluginManifest, tmp_path: Path, name: str) -> None:
    plugins = PluginManager()
    plugins.register(manifest)
    (tmp_path / name).write_bytes(b"")
    for path in (tmp_path / name, tmp_path):
        assert [reader.command for reader in plugins.iter_compatible_readers([str(path)])] == ["napari-ddmd.get_reader"]


@pytest.mark.parametrize(
    ("kind", "name", "command"),
    [
        ("labels", "m.nii.gz", "napari-ddmd.write_labels"),
        ("labels", "m.nii", "napari-ddmd.write_labels"),
        ("image", "p.nii.gz", "napari-ddmd.write_image"),
    ],
)
def test_layers_reach_their_writer(manifest: PluginManifest, kind: str, name: str, command: str) -> None:
    plugins = PluginManager()
    plugins.register(manifest)
    writer, path = plugins.get_writer(name, [kind])
    assert writer is not None
    assert (writer.command, path) == (command, name)
    writer, path = plugins.get_writer("without_ending", [kind])
    assert path == "without_ending.nii.gz"
