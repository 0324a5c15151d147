"""What a run computes with, and what it goes on with when the memory does not suffice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from napari_ddmd.device import default_batch_size
from napari_ddmd.workers import worker_count


@dataclass(frozen=True)
class Footing:
    """What a run computes with.

    Attributes
    ----------
    device
        Where the networks are.
    batch_size
        Most slices at once in each thread.
    threads
        Batches that are computed side by side.
    """

    device: torch.device
    batch_size: int
    threads: int

    @classmethod
    def on(cls, device: torch.device, slices: int, batch_size: int | None = None) -> Footing:
        """All that a device gives for so many slices, which every thread gets a share of."""
        threads = worker_count(device)
        most = default_batch_size(device) if batch_size is None else batch_size
        return cls(device, max(1, min(most, -(-slices // threads))), threads)

    def lesser(self, slices: int, *, may_leave: bool) -> Footing | None:
        """The next one that needs less memory; None where there is none.

        Parameters
        ----------
        slices
            That are left to be computed.
        may_leave
            Whether a GPU may be left for the CPU.
        """
        if self.batch_size > 1:
            return replace(self, batch_size=self.batch_size // 2)
        if self.threads > 1:
            return replace(self, threads=1)
        if may_leave and self.device.type != "cpu":
            return Footing.on(torch.device("cpu"), slices)
        return None

    def remark(self, first: Footing) -> str:
        """What the run goes on with, in one line; `first` is what it began with."""
        number = f"{self.batch_size} slice{'s' if self.batch_size > 1 else ''} at a time"
        size = f"{number}{' in one thread' if self.threads < worker_count(self.device) else ''}"
        if self.device == first.device:
            return f"Memory was short: went on with {size}."
        gpu = "GPU" if first.device.type == "cuda" else f"{first.device.type} GPU"
        return f"Memory was short: the {gpu} has too little for one slice, went on with the CPU, {size}."
