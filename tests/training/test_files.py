"""Files are whole or absent."""

from __future__ import annotations

import errno
import json
import pickle
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from src_training import files
from src_training.recipe import RecipeError


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


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "array.npy"
    files.write_array(path, np.zeros(3))

    def full(file: BinaryIO, array: object, **_: object) -> None:
        file.write(b"some of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(RecipeError, match=r"array\.npy: cannot be written \(No space left on device\); [^\n]*$"):
        files.write_array(path, np.ones(3))

    assert files.read_array(path, remedy="").tolist() == [0, 0, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["array.npy"]


@pytest.mark.parametrize("content", [None, b"", b"torn", b"\x93NUMPY\x01\x00"])
def test_an_array_that_cannot_be_read_tells_the_remedy(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(RecipeError, match=r"array\.npy: is (missing|damaged [^\n]*); run it again$"):
        files.read_array(path, remedy="run it again")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_too_many_open_files_tell_how_to_allow_more(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "array.npy"
    files.write_array(path, np.zeros(3))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with pytest.raises(
            RecipeError, match=r"array\.npy: cannot be opened, too many files are; [^\n]*ulimit -n[^\n]*$"
        ):
            _ = [files.read_array(path, remedy="") for _ in range(300)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("content", [None, b"", b'{"cases": {"a', b"[]", b"\xff", b"[" * 100_000])
def test_json_that_cannot_be_read_tells_the_remedy(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(RecipeError, match=r"^[^\n]*index\.json: is (missing|damaged [^\n]*); run it again$"):
        files.read_json(path, remedy="run it again")


def test_damaged_weights_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    files.write_tensors(path, {"a": torch.ones(3)})
    assert files.read_tensors(path)["a"].equal(torch.ones(3))
    path.write_bytes(path.read_bytes()[:-4])

    with pytest.raises(RecipeError, match=r"weights.safetensors: is damaged .* delete it and run its stage again"):
        files.read_tensors(path)


def test_what_is_taken_out_of_a_mapped_array_is_sent_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).integers(0, 256, (20, 40, 50)).astype(np.uint8)
    files.write_array(tmp_path / "a.npy", array)
    monkeypatch.chdir(tmp_path)
    whole = files.read_array(Path("a.npy"), remedy="write it again")
    monkeypatch.chdir("/")
    assert len(pickle.dumps(whole)) < 1000
    for part in (whole, whole[3:5], whole[[2, 0]], whole + 1, whole.copy()):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)), part)
    (tmp_path / "a.npy").unlink()
    sent = pickle.dumps(whole)
    with pytest.raises(RecipeError, match=r"a\.npy: is missing; write it again"):
        pickle.loads(sent)
