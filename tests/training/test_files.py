"""Files are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from src_training import files


def test_what_is_written_is_read(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tensors = {"a": torch.arange(6.0).reshape(2, 3).t(), "b": torch.tensor(3)}
    files.write_array(tmp_path / "new" / "array.npy", array)
    files.write_json(tmp_path / "new" / "data.json", {"key": [1, None]})
    files.write_tensors(tmp_path / "new" / "tensors.safetensors", tensors)

    np.testing.assert_array_equal(np.load(tmp_path / "new" / "array.npy", mmap_mode="r"), array)
    assert json.loads((tmp_path / "new" / "data.json").read_text()) == {"key": [1, None]}
    loaded = load_file(tmp_path / "new" / "tensors.safetensors")
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_a_write_that_dies_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.json"
    files.write_json(path, "old")

    def die(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        files.write_json(path, "new")

    assert json.loads(path.read_text()) == "old"
