"""A made-up case in BRATS form: real anatomy, four contrasts, a growing tumour."""

from __future__ import annotations

from napari_ddmd.synthetic.case import SyntheticCase, make_case, make_small_case, refuse_place, write_case

__all__ = ["SyntheticCase", "make_case", "make_small_case", "refuse_place", "write_case"]
