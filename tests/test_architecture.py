"""The rules of the house that a reader cannot see at a glance: which room may know of which."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import napari_ddmd

PACKAGE = Path(napari_ddmd.__file__).parent
TRAINING = PACKAGE.parent / "src_training"
LONGEST_MODULE = 350

QT_AND_NAPARI = ("qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "napari", "magicgui", "superqt", "vispy")
# What people and windows talk to; it may know everything but the training, and nothing below may know it.
TOP = (
    *("viewer", "cli", "__main__", "cohort", "demo", "predict", "progress_line"),
    *("predict_command", "command_faults", "cohort_table"),
)
# The rooms at the bottom, and all that they may know of this package. Every other room is the pipeline's.
# Beside them lies what knows nothing but files and the process.
BOTTOM = {"case": {"case"}, "model": {"case", "model", "torch_guard", "whole_files"}}


def modules(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str, package: str = "") -> Iterator[str]:
    """All modules, and names from modules, that a source imports, however deep inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def is_within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def package_of(module: Path) -> str:
    return ".".join(module.relative_to(PACKAGE.parent).parent.parts)


def loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    """Modules of `names` that are loaded in a fresh interpreter once it has run a statement."""
    code = f"import sys\n{statement}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & set({names!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_arrows_are_read_off_sources() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from ..viewer import panel\n    from . import e\n"
    assert set(imports(source, "napari_ddmd.case")) == {
        "a.b",
        "c",
        "c.d",
        "napari_ddmd.viewer",
        "napari_ddmd.viewer.panel",
        "napari_ddmd.case",
        "napari_ddmd.case.e",
    }


def forbidden_to(room: str) -> tuple[str, ...]:
    """What no module of a room may import, at the top or inside a function."""
    if room in TOP or room == "__init__":
        return ("src_training",)
    rooms = {room_of(module) for module in modules(PACKAGE)} - {"__init__"}
    hidden = rooms - BOTTOM[room] if room in BOTTOM else rooms & set(TOP)
    torch = ("torch", "diffusers") if room == "case" else ()
    return ("src_training", *(f"napari_ddmd.{name}" for name in sorted(hidden)), *QT_AND_NAPARI, *torch)


def test_each_room_hides_what_is_above_it() -> None:
    assert {"napari_ddmd.model", "napari_ddmd.segment", "napari_ddmd.viewer", "torch"} <= {*forbidden_to("case")}
    assert "napari_ddmd.case" not in forbidden_to("model")
    assert {"napari_ddmd.viewer", "src_training", "qtpy"} <= {*forbidden_to("segment")}


@pytest.mark.parametrize("module", modules(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_know_only_what_is_below_them(module: Path) -> None:
    names = imports(module.read_text("utf-8"), package_of(module))
    assert {name for name in names if is_within(name, forbidden_to(room_of(module)))} == set()


@pytest.mark.parametrize("module", modules(TRAINING), ids=lambda path: str(path.relative_to(TRAINING)))
def test_training_needs_no_window(module: Path) -> None:
    names = imports(module.read_text("utf-8"), package_of(module))
    assert {name for name in names if is_within(name, ("napari_ddmd.viewer", *QT_AND_NAPARI))} == set()


@pytest.mark.parametrize(
    "module",
    [*modules(PACKAGE), *modules(TRAINING)],
    ids=lambda path: str(path.relative_to(PACKAGE.parent)),
)
def test_modules_stay_short(module: Path) -> None:
    assert len(module.read_text("utf-8").splitlines()) <= LONGEST_MODULE


def test_the_package_itself_is_light() -> None:
    heavy = ("torch", "numpy", "nibabel", "diffusers", *QT_AND_NAPARI)
    assert loaded_by("import napari_ddmd", heavy) == []


def test_case_loads_no_torch() -> None:
    assert loaded_by("import napari_ddmd.case", ("torch", "diffusers", *QT_AND_NAPARI)) == []


def test_a_case_is_loaded_through_the_package_without_torch() -> None:
    assert loaded_by("from napari_ddmd import load_case, Case", ("torch", *QT_AND_NAPARI)) == []


def test_the_model_and_the_pipeline_load_no_qt() -> None:
    rooms = sorted({room_of(module) for module in modules(PACKAGE)} - {*TOP, "__init__"})
    statement = "\n".join(f"import napari_ddmd.{room}" for room in rooms)
    assert "import napari_ddmd.model" in statement
    assert loaded_by(statement, QT_AND_NAPARI) == []


def test_what_the_manifest_names_loads_no_torch() -> None:
    manifest = yaml.safe_load((PACKAGE / "napari.yaml").read_text("utf-8"))
    names = {command["python_name"].split(":")[0] for command in manifest["contributions"]["commands"]}
    assert names
    assert loaded_by("\n".join(f"import {name}" for name in sorted(names)), ("torch", "diffusers")) == []


def test_diffusers_is_loaded_by_whoever_builds_a_network_alone() -> None:
    others = (
        "from napari_ddmd.model import list_bundles, read_description; read_description(list_bundles()[0])",
        "import napari_ddmd.segment",
        "import src_training.__main__",
    )
    # All in one interpreter: torch takes seconds in each.
    assert loaded_by("\n".join(others), ("torch", "diffusers")) == ["torch"]


def test_public_names_are_there() -> None:
    assert set(napari_ddmd.__all__) == {
        "Bundle",
        "Case",
        "discrepancy_maps",
        "load_bundle",
        "load_case",
        "segment",
    }
    for name in napari_ddmd.__all__:
        assert callable(getattr(napari_ddmd, name))
        assert name in dir(napari_ddmd)
    assert napari_ddmd.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        napari_ddmd.train  # noqa: B018


def test_segment_is_the_function_whatever_was_imported_before() -> None:
    code = """
import napari_ddmd.segment
from napari_ddmd.segment import segment as original
from napari_ddmd import segment
assert segment is original
from napari_ddmd import segment
assert segment is original is napari_ddmd.segment
"""
    assert loaded_by(code, ()) == []
