"""Keep torch, and what comes with it, from crashing a process that draws with Mesa."""

from __future__ import annotations

import sys
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def keep_triton_out(maps: Path = _MAPS) -> bool:
    """Hide triton from torch where loading it would end the process.

    Mesa's drivers (software rendering, AMD, Intel) load LLVM as a shared library with the first canvas.
    Triton carries an LLVM of its own, and where it comes second the two mix up their symbols and crash;
    torch imports triton where it is installed, and works without it. A triton that came first is harmless.

    Parameters
    ----------
    maps : Path
        Lists the libraries of this process.

    Returns
    -------
    bool
        Whether triton is hidden now.
    """
    if "triton" not in sys.modules:
        try:
            loaded = maps.read_text(errors="replace")
        except OSError:
            # Only Linux has this list, and only there do the two meet.
            return False
        if "libLLVM" in loaded:
            # The import system's own mark for a module that must not be found.
            sys.modules["triton"] = None  # type: ignore[assignment]
    return sys.modules.get("triton", sys) is None
