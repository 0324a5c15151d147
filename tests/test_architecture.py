"""The rules of the house that a reader cannot see at a glance: which room may know of which."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_ddmd

PACKAGE = Path(napari_ddmd.__file__).parent
TRAINING = PACKAGE.parent / "src_training"
LONGEST_MODULE = 350

QT_AND_NAPARI = ("qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "napari", "magicgui", "superqt", "vispy")
ABOVE_ALL = ("napari_ddmd.viewer", "napari_ddmd.cli", "src_training")
PIPELINE = tuple(
    f"napari_ddmd.{room}" for room in ("segment", "volumes", "lesions", "export", "device", "synthetic")
)

# What no module of a room may import, at the top or inside a function.
FORBIDDEN = {
    "case": (*ABOVE_ALL, *PIPELINE, "napari_ddmd.model", "torch", *QT_AND_NAPARI),
    "model": (*ABOVE_ALL, *PIPELINE, *QT_AND_NAPARI),
    "segment": (*ABOVE_ALL, *QT_AND_NAPARI),
    "device": (*ABOVE_ALL, *QT_AND_NAPARI),
    "volumes": (*ABOVE_ALL, *QT_AND_NAPARI),
    "lesions": (*ABOVE_ALL, *QT_AND_NAPARI),
    "export": (*ABOVE_ALL, *QT_AND_NAPARI),
    "synthetic": (*ABOVE_ALL, *QT_AND_NAPARI),
    "viewer": ("src_training",),
    "cli": ("src_training",),
}


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
    code = (
        f"import sys\n{statement}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & set({names!r})))"
    )
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


@pytest.mark.parametrize("module", modules(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_know_only_what_is_below_them(module: Path) -> None:
    forbidden = FORBIDDEN.get(room_of(module), ())
    found = {
        name for name in imports(module.read_text("utf-8"), package_of(module)) if is_within(name, forbidden)
    }
    assert found == set()


def test_every_room_has_its_arrows() -> None:
    rooms = {room_of(module) for module in modules(PACKAGE)} - {"__init__", "__main__"}
    assert rooms <= set(FORBIDDEN), "say in FORBIDDEN what the new room must not know"


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


@pytest.mark.parametrize("module", ["model", "segment", "volumes", "lesions", "export", "synthetic"])
def test_the_pipeline_loads_no_qt(module: str) -> None:
    assert loaded_by(f"import napari_ddmd.{module}", QT_AND_NAPARI) == []


def test_the_manifest_is_read_without_torch() -> None:
    assert loaded_by("import napari_ddmd.viewer", ("torch",)) == []


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
