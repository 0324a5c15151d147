from __future__ import annotations

from napari_ddmd.case import CaseError, CaseWarning


def test_a_bad_input_is_a_bad_value_and_a_remark_is_a_users_warning() -> None:
    assert issubclass(CaseError, ValueError)
    assert issubclass(CaseWarning, UserWarning)
