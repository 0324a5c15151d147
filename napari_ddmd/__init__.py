"""Find lesions in multi-modality brain MRI with discrepancy-guided diffusion models.

The public names are imported on first use, so that `import napari_ddmd` (and with it the plugin's
manifest and the command line's help) loads neither torch nor Qt.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from napari_ddmd.case import Case, load_case
    from napari_ddmd.model import Bundle, discrepancy_maps, load_bundle
    from napari_ddmd.segment import segment

__all__ = ["Bundle", "Case", "discrepancy_maps", "load_bundle", "load_case", "segment"]

_HOMES: Final = {
    "Bundle": "napari_ddmd.model",
    "Case": "napari_ddmd.case",
    "discrepancy_maps": "napari_ddmd.model",
    "load_bundle": "napari_ddmd.model",
    "load_case": "napari_ddmd.case",
    "segment": "napari_ddmd.segment",
}

try:
    __version__ = version("napari-ddmd")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


class _Package(ModuleType):
    """Keeps ``napari_ddmd.segment`` the function, although its module has the same name.

    Importing a submodule binds it to its package; without this, ``from napari_ddmd import segment`` would
    give the module as soon as anything had imported ``napari_ddmd.segment``.
    """

    @property
    def segment(self) -> Any:
        return import_module(_HOMES["segment"]).segment

    @segment.setter
    def segment(self, module: ModuleType) -> None:
        """Ignore what the import system binds."""


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
