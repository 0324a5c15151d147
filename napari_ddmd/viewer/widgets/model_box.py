"""Choose a model, load it in the background, and say what it is."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QGridLayout, QLabel, QPushButton, QSizePolicy, QWidget

from napari_ddmd.torch_guard import keep_triton_out
from napari_ddmd.viewer.widgets.background import Background
from napari_ddmd.without_values import reason

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle


@dataclass(frozen=True)
class Installed:
    """What this computer has to run with; found out in the background, since that imports torch."""

    models: tuple[Path, ...]
    default: str
    devices: tuple[str, ...]
    samplers: tuple[str, ...]


def find_installed() -> Installed:
    """List the installed models, this computer's devices and the samplers."""
    keep_triton_out()
    from napari_ddmd.device import available_devices
    from napari_ddmd.model import DEFAULT_MODEL, list_bundles
    from napari_ddmd.segment import SAMPLERS

    return Installed(tuple(list_bundles()), DEFAULT_MODEL, tuple(available_devices()), tuple(SAMPLERS))


def _load(folder: Path) -> Bundle:
    from napari_ddmd.model import load_bundle

    return load_bundle(folder)


_VARIANT_TIPS: dict[str, str] = {
    "mini": "Mini: the mask is found from the images alone.",
    "light": "Light: the mask is found from the images and the inter-discrepancy map.",
    "full": "Full: the mask is found from the images and both discrepancy maps.",
}


class ModelBox(QWidget):
    """The model that the panel runs.

    Signals
    -------
    changed
        A model was loaded, is being loaded, or could not be.
    installed
        What this computer has, once that is known.
    """

    changed = Signal()
    installed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bundle: Bundle | None = None
        self.is_coming = True
        """Whether a model is being looked for or loaded."""
        self.model_list = QComboBox()
        self.model_list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.model_list.setAccessibleName("Model")
        self.folder_button = QPushButton("Folder…")
        self.folder_button.setToolTip("Choose a model's folder, with model.json and weights.safetensors")
        self.about = QLabel("Looking for models…")
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.RichText)  # never guessed: a model's words are no page
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.model_list, 0, 0)
        layout.addWidget(self.folder_button, 0, 1)
        layout.addWidget(self.about, 1, 0, 1, 2)
        layout.setColumnStretch(0, 1)
        self._finder, self._loader = Background(self), Background(self)
        self._finder.done.connect(self._on_found)
        self._finder.failed.connect(self._on_none_found)
        self._loader.done.connect(self._on_loaded)
        self._loader.failed.connect(self._on_failed)
        self.model_list.currentIndexChanged.connect(self._on_chosen)
        self.folder_button.clicked.connect(self._ask_for_folder)
        self._finder.start(find_installed)

    def choose_folder(self, folder: Path) -> None:
        """Choose a model by its folder; it is added to the list."""
        index = self.model_list.findData(str(folder))
        if index < 0:
            self.model_list.blockSignals(True)
            self.model_list.addItem(folder.name, str(folder))
            self.model_list.setItemData(self.model_list.count() - 1, str(folder), Qt.ItemDataRole.ToolTipRole)
            self.model_list.blockSignals(False)
            index = self.model_list.count() - 1
        if index == self.model_list.currentIndex():
            self._on_chosen(index)
        else:
            self.model_list.setCurrentIndex(index)

    def _on_found(self, found: Installed) -> None:
        self.installed.emit(found)
        is_chosen = self.model_list.count() > 0  # by its folder, meanwhile
        self.model_list.blockSignals(True)
        for folder in found.models:
            if self.model_list.findData(str(folder)) < 0:
                self.model_list.addItem(folder.name, str(folder))
        default = self.model_list.findText(found.default)
        if default >= 0 and not is_chosen:
            self.model_list.setCurrentIndex(default)
        self.model_list.blockSignals(False)
        if not is_chosen:
            self._on_chosen(self.model_list.currentIndex())

    def _on_none_found(self, error: Exception) -> None:
        if self.model_list.count() == 0:  # else one was chosen by its folder, meanwhile
            self._on_failed(error)

    def _on_chosen(self, index: int) -> None:
        folder = self.model_list.itemData(index)
        self.bundle = None
        self.is_coming = folder is not None
        if folder is None:
            self._say("No model is installed. Choose a model's folder.")
        else:
            self._say("Loading the model…")
            self._loader.start(_load, Path(folder))
        self.changed.emit()

    def _on_loaded(self, bundle: Bundle) -> None:
        self.bundle, self.is_coming = bundle, False
        maps = ["inter"] * bundle.has_inter + ["intra"] * bundle.has_intra
        made = f"{' and '.join(maps)} maps" if len(maps) > 1 else f"{maps[0]} map" if maps else "no maps"
        about = f"Variant <b>{bundle.variant}</b>, {made}, version {escape(bundle.version)}"
        self._say(about, _VARIANT_TIPS[bundle.variant], bundle.card)
        self.changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self.bundle, self.is_coming = None, False
        self._say(escape(reason(error), quote=False))
        self.changed.emit()

    def _say(self, text: str, *tips: str) -> None:
        self.about.setText(text)
        # Rich text makes Qt wrap the paragraphs.
        self.about.setToolTip("".join(f"<p>{escape(tip)}</p>" for tip in tips if tip))
        self.model_list.setToolTip(self.about.toolTip())

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a model's folder")
        if folder:
            self.choose_folder(Path(folder))
