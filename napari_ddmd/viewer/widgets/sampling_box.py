"""How masks are sampled, on which device, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QSpinBox, QWidget

from napari_ddmd.viewer.run_settings import Sampling
from napari_ddmd.viewer.widgets.cost_line import CostLine

if TYPE_CHECKING:
    from napari_ddmd.model import Bundle


_SAMPLER_TIPS = {
    "ddim": "DDIM: few steps, no noise after the first",
    "dpm-solver++": "DPM-Solver++: few steps that each look back at the one before",
    "ddpm": "DDPM: the paper's own, with fresh noise at each step; meant for many steps",
}


class SamplingBox(QWidget):
    """Samples, steps, sampler, seed and device.

    Signals
    -------
    changed
        A value is another one now.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bundle: Bundle | None = None
        self.samples = _spin(1, 64, "Masks sampled for each slice; their spread shows how sure the model is")
        self.steps = _spin(1, 1000, "Denoising steps for each mask; more steps take longer")
        self.sampler = _combo("How the steps are spent; each entry of the list says how")
        self.seed = _spin(0, 2**31 - 1, "The same seed gives the same masks")
        self.device = _combo("Where the model runs; auto takes the fastest")
        self.device.addItem("auto")
        self.cost = CostLine()
        self._lay_out()
        for spin in (self.samples, self.steps, self.seed):
            spin.valueChanged.connect(self._on_change)
        for combo in (self.sampler, self.device):
            combo.currentIndexChanged.connect(self._on_change)

    @property
    def sampling(self) -> Sampling:
        """The values that are set."""
        return Sampling(
            samples=self.samples.value(),
            steps=self.steps.value(),
            sampler=self.sampler.currentText(),
            seed=self.seed.value(),
            device=self.device.currentText(),
        )

    def set_choices(self, samplers: tuple[str, ...], devices: tuple[str, ...]) -> None:
        """Offer the samplers that there are and the devices of this computer."""
        for sampler in samplers:
            self.sampler.addItem(sampler)
            self.sampler.setItemData(
                self.sampler.count() - 1, _SAMPLER_TIPS.get(sampler, ""), Qt.ItemDataRole.ToolTipRole
            )
        self.device.addItems(devices)

    def set_sampling(self, sampling: Sampling) -> bool:
        """Ask for what another run was asked for; tell whether the device is one of this computer's, else it stays."""
        self.samples.setValue(sampling.samples)
        self.steps.setValue(sampling.steps)
        self.seed.setValue(sampling.seed)
        for combo, text in ((self.sampler, sampling.sampler), (self.device, sampling.device)):
            if combo.findText(text) >= 0:
                combo.setCurrentText(text)
        return self.device.findText(sampling.device) >= 0

    def set_bundle(self, bundle: Bundle | None) -> None:
        """Take a model's own values as the defaults."""
        if bundle is self._bundle:
            return
        self._bundle = bundle
        if bundle is not None:
            own = bundle.settings.sampling
            self.samples.setValue(own.samples)
            self.steps.setMaximum(bundle.settings.diffusion.timesteps)
            self.steps.setValue(own.steps)
            self.sampler.setCurrentText(own.sampler)
        self.cost.set_bundle(bundle)
        self.cost.set_sampling(self.sampling)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        cells = (
            ("Samples", self.samples),
            ("Steps", self.steps),
            ("Sampler", self.sampler),
            ("Seed", self.seed),
            ("Device", self.device),
        )
        for number, (label, widget) in enumerate(cells):
            row, column = number // 2, 2 * (number % 2)
            name = QLabel(label)
            name.setBuddy(widget)
            layout.addWidget(name, row, column)
            layout.addWidget(widget, row, column + 1)
        layout.addWidget(self.cost, 3, 0, 1, 4)
        layout.setColumnStretch(1, 1)
        layout.setColumnStretch(3, 1)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Let the cost rest while the box is out of use, which it is while a run is on."""
        if event is not None and event.type() == QEvent.Type.EnabledChange:
            self.cost.set_paused(not self.isEnabled())
        super().changeEvent(event)

    def _on_change(self, _value: Any) -> None:
        self.cost.set_sampling(self.sampling)
        self.changed.emit()


def _spin(low: int, high: int, tooltip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setToolTip(tooltip)
    spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return spin


def _combo(tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tooltip)
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return combo
