"""Which device runs the networks, in which precision, and what it will need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from napari_ddmd.model.bundle import Bundle

DEVICES = ("auto", "cuda", "mps", "cpu")
_MIB = 2.0**20
_FIXED_MB = 150.0
"""Measured on a CPU (80 to 130): the convolutions' workspaces, libraries that load late, what the allocator keeps."""
_BRATS_SHAPE = (155, 240, 240)


class DeviceError(ValueError):
    """A device that this computer does not have; the message is one line."""


@dataclass(frozen=True)
class MemoryEstimate:
    """What a run needs beside the case itself, and what is free, in MiB."""

    needed_mb: float
    available_mb: float | None
    device: str
    least_mb: float = 0.0
    """With one slice at a time in one thread, to which a run falls back."""
    has_cpu_left: bool = False
    """Whether a run goes on on the CPU where not even that fits: the device was not asked for by name."""

    @property
    def fits(self) -> bool:
        """Whether the run is expected to fit (unknown counts as yes)."""
        return self.available_mb is None or self.needed_mb <= self.available_mb

    @property
    def amounts(self) -> str:
        """What is needed of what there is."""
        free = "" if self.available_mb is None else f" of {self.available_mb / 1024:.1f} GiB free"
        return f"about {self.needed_mb / 1024:.1f} GiB{free}"

    @property
    def warning(self) -> str:
        """What will happen where it does not fit; empty where it does."""
        if self.fits or self.available_mb is None:
            return ""
        if self.least_mb <= self.available_mb:
            return "expect smaller batches"
        return "it may go on on the CPU" if self.has_cpu_left else "not even one slice may fit"

    def __str__(self) -> str:
        warning = f": {self.warning}" if self.warning else ""
        return f"{self.amounts} on {self.device}{warning}"


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
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"device {name!r} is not a device; choose one of auto, {', '.join(devices)}") from None
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.index not in (None, *range(count)):
        raise DeviceError(f"device {name!r} is not available here; the last one is {device.type}:{count - 1}")
    return device


@dataclass(frozen=True)
class NoGpu:
    """Why there is no GPU to run on: in a few words, and in one line with what to do."""

    short: str
    reason: str


def no_gpu() -> NoGpu | None:
    """Why torch runs on the CPU here; None where it has a GPU."""
    import torch

    if available_devices() != ["cpu"]:
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return NoGpu("torch is built without GPU support", "Install a build of torch with CUDA to use an NVIDIA GPU.")
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch tells by the exception's text alone; whatever it is, there is no GPU
        told = " ".join(str(error).split())[:300]
        if "too old" in told or "insufficient" in told:
            return NoGpu("the NVIDIA driver is too old for this torch", told)
        if "no NVIDIA driver" in told:
            return NoGpu("no NVIDIA driver was found", told)
        return NoGpu("torch sees none", told)
    return NoGpu("torch sees none", "torch was built for GPUs and finds none in this computer.")


def device_line(device: torch.device) -> str:
    """Device, precision, and on a CPU the threads: ``cpu, bfloat16, 2 threads``."""
    from napari_ddmd.workers import worker_count

    name = device_name(device)
    precision = str(inference_dtype(device)).removeprefix("torch.")
    threads = worker_count(device)
    count = f", {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else ""
    return f"{name}, {precision}{count}"


def device_name(device: torch.device) -> str:
    """What a GPU calls itself, else the device's kind."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


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
    return 5 if device.type == "cpu" else 16


def estimate_memory(
    bundle: Bundle,
    *,
    samples: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    shape: tuple[int, int, int] = _BRATS_SHAPE,
) -> MemoryEstimate:
    """Memory that `napari_ddmd.segment` will take: networks, normalised case, and the batches under way, one a thread.

    The activations are counted on torch's ``meta`` device: one denoiser evaluation is traced without computing it, and
    the outputs of the down path (the skip connections) plus four times the largest output are taken to be held at once.
    Beside them a batch holds its slices' images, conditioning and its patches, six copies of each mask on its way out,
    and, outside a GPU, results on the case's grid; finished batches wait for their turn there.

    Parameters
    ----------
    bundle, samples, batch_size, device
        As in `napari_ddmd.segment.segment`.
    shape
        ``(S, H, W)`` of the case.
    """
    from napari_ddmd.workers import rows_at_once, worker_count

    chosen = pick_device(device)
    samples = bundle.settings.sampling.samples if samples is None else samples
    batch_size = default_batch_size(chosen) if batch_size is None else batch_size
    apart = chosen.type == "cuda"
    per_image = 4 * _activations(bundle)  # in bfloat16 too: normalisation and the skips' copies are float32
    weights = 4 * sum(parameter.numel() for parameter in bundle.networks.parameters())
    frame = 4 * bundle.settings.frame.size**2
    on_grid = 0 if apart else 4 * shape[1] * shape[2]
    per_slice = (3 * _conditioning_channels(bundle) * frame + 4 * on_grid) + samples * (6 * frame + 1.5 * on_grid)
    # The case as the networks see it, and a byte for each voxel of each mask that is gathered.
    gathered = 0 if apart else (16 + samples) * math.prod(shape)

    def needed(slices: int, threads: int) -> float:
        at_once = slices * math.ceil(samples / bundle.settings.denoiser.members)  # of one denoiser
        rows = min(at_once, rows_at_once(chosen) or at_once)
        batches = threads * (per_image * rows + per_slice * slices)
        return (0.0 if apart else _FIXED_MB) + (weights + gathered + batches) / _MIB

    return MemoryEstimate(
        needed(batch_size, worker_count(chosen)),
        free_memory_mb(chosen),
        str(chosen),
        least_mb=needed(1, 1),
        has_cpu_left=device == "auto" and chosen.type != "cpu",
    )


def _conditioning_channels(bundle: Bundle) -> int:
    unet = bundle.networks.denoiser.unet
    channels: int = unet.config["in_channels"] // bundle.settings.denoiser.patch**2 - 1
    return channels


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
    with torch.no_grad():
        denoiser(
            torch.empty(1, 1, side, side, device="meta"),
            torch.zeros(1, dtype=torch.long, device="meta"),
            torch.empty(1, _conditioning_channels(bundle), side, side, device="meta"),
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
