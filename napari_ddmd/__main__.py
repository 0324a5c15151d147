"""``python -m napari_ddmd``: the command line without its script."""

from __future__ import annotations

from napari_ddmd.cli import main

raise SystemExit(main())
