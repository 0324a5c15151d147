"""Which device runs the networks, in which precision, and what it will need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from napari_ddmd.model.bundle import Bundle

DEVICES = ("auto", "cuda", "mps", "cpu")
_MIB = 2.0**20
_FIXED_MB = 230.0
"""Measured on a CPU: the convolutions' workspaces (62 to 89) and the normalised copy of a 240×240×155 case (136)."""


class DeviceError(ValueError):
    """A device that this computer does not have; the message is one line."""


@dataclass(frozen=True)
class MemoryEstimate:
    """What a run needs beside the case itself, and what is free, in MiB."""

    needed_mb: float
    available_mb: float | None
    device: str

    @property
    def fits(self) -> bool:
        """Whether the run is expected to fit (unknown counts as yes)."""
        return self.available_mb is None or self.needed_mb <= self.available_mb

    def __str__(self) -> str:
        free = "" if self.available_mb is None else f" of {self.available_mb / 1024:.1f} GiB free"
        warning = "" if self.fits else ": expect smaller batches"
        return f"about {self.needed_mb / 1024:.1f} GiB{free} on {self.device}{warning}"


def available_devices() -> list[str]:
    """Devices of this computer, best first."""
    import torch

    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    return found


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name, or the best one for ``auto``.

    Raises
    ------
    DeviceError
        If this computer does not have it.
    """
    import torch

    devices = available_devices()
    if name == "auto":
        return torch.device(devices[0])
    if name.split(":")[0] not in devices:
        raise DeviceError(f"device {name!r} is not available here; choose one of auto, {', '.join(devices)}")
    return torch.device(name)


def inference_dtype(device: torch.device) -> torch.dtype:
    """Bfloat16 where the hardware multiplies it natively, else float32."""
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # older torch cannot tell
    if device.type == "cpu" and capabilities is not None and capabilities().get("avx512_bf16", False):
        return torch.bfloat16
    return torch.float32


def default_batch_size(device: torch.device) -> int:
    """Slices that are sampled together by one thread."""
    return 3 if device.type == "cpu" else 16


def estimate_memory(
    bundle: Bundle, *, samples: int | None = None, batch_size: int | None = None, device: str = "auto"
) -> MemoryEstimate:
    """Memory that `napari_ddmd.segment` will take for its networks and the batches under way: one a thread on a CPU.

    The activations are counted on torch's ``meta`` device: one denoiser evaluation is traced without computing it, and
    the outputs of the down path (the skip connections) plus four times the largest output are taken to be held at once.
    """
    from napari_ddmd.workers import rows_at_once, worker_count

    chosen = pick_device(device)
    samples = bundle.settings.sampling.samples if samples is None else samples
    slices = default_batch_size(chosen) if batch_size is None else batch_size
    per_image = 4 * _activations(bundle)  # in bfloat16 too: normalisation and the skips' copies are float32
    weights = 4 * sum(parameter.numel() for parameter in bundle.networks.parameters())
    rows = min(samples * slices, rows_at_once(chosen) or samples * slices) * worker_count(chosen)
    needed = weights + per_image * rows
    fixed = 0.0 if chosen.type == "cuda" else _FIXED_MB
    return MemoryEstimate(fixed + needed / _MIB, free_memory_mb(chosen), str(chosen))


def _activations(bundle: Bundle) -> float:
    """Numbers held at the peak of one evaluation of one image."""
    import torch

    from napari_ddmd.model.denoiser import Denoiser

    with torch.device("meta"):
        denoiser = Denoiser(bundle.settings)
    outputs: list[int] = []
    skips: list[int] = []

    def record(target: list[int]) -> object:
        def hook(_module: object, _inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                target.append(output.numel())

        return hook

    for name, module in denoiser.named_modules():
        if not list(module.children()):
            module.register_forward_hook(record(outputs))
        if "down_blocks" in name and name.count(".") == 4:
            module.register_forward_hook(record(skips))
    settings = bundle.settings
    side = settings.frame.size
    channels = denoiser.unet.config["in_channels"] // settings.denoiser.patch**2 - 1
    with torch.no_grad():
        denoiser(
            torch.empty(1, 1, side, side, device="meta"),
            torch.zeros(1, dtype=torch.long, device="meta"),
            torch.empty(1, channels, side, side, device="meta"),
        )
    return sum(skips) + 4.0 * max(outputs)


def free_memory_mb(device: torch.device) -> float | None:
    """Memory that is free on a device, in MiB; None where it cannot be told."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / _MIB
    import psutil

    try:
        return float(psutil.virtual_memory().available) / _MIB
    except (OSError, RuntimeError):  # a system that does not tell
        return None
