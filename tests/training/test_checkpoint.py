"""A training survives: kills, full disks and damaged files leave the last good state, or say what is wrong."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from src_training.__main__ import main
from src_training.checkpoint import Checkpoint
from src_training.diffusion import DiffusionTask
from src_training.recipe import RecipeError

from .conftest import PATIENTS, stop_at

ROOT = Path(__file__).parents[2]
TRAINING = ("diffusion", "--diffusion.iterations", "120", "--diffusion.checkpoint-every", "5")
Captured = pytest.CaptureFixture[str]


def checkpoint_of(folder: Path, width: int = 3) -> Checkpoint:
    model = nn.Linear(width, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    return Checkpoint(
        folder / "state.pt", model, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer), ema=None, scaler=None
    )


def begin_again(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    # The same number of threads, since sums in another order are other sums.
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    one, other = checkpoint_of(tmp_path), checkpoint_of(tmp_path)
    assert one.load() == (0, 0.0)
    one.save(7, 1.5)

    assert other.load() == (7, 1.5)
    assert torch.equal(one.model.weight, other.model.weight)


@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_a_damaged_state_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(tmp_path)
    checkpoint.save(7, 1.5)
    whole = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(whole[: len(whole) // 2] if content is None else content)

    with pytest.raises(RecipeError, match=r"state\.pt: is damaged [^\n]*; delete it to begin this training again$"):
        checkpoint.load()


def test_a_state_of_another_network_is_one_line(tmp_path: Path) -> None:
    checkpoint_of(tmp_path).save(7, 1.5)

    with pytest.raises(RecipeError, match=r"state\.pt: is damaged or of another network [^\n]*$"):
        checkpoint_of(tmp_path, width=4).load()


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("file write failed")])
def test_a_full_disk_leaves_the_last_state(fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = checkpoint_of(tmp_path)
    checkpoint.save(7, 1.5)
    before = checkpoint.path.read_bytes()

    def fail(state: object, file: object) -> None:
        raise fault

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RecipeError, match=r"state\.pt: cannot be written \((No space|file write)[^\n]*$"):
        checkpoint.save(8, 2.0)

    assert checkpoint.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("harm", ["cut", "emptied", "a byte changed", "lost"])
def test_the_state_before_a_damaged_one_is_used(harm: str, tmp_path: Path, capsys: Captured) -> None:
    one, other = checkpoint_of(tmp_path), checkpoint_of(tmp_path)
    one.save(4, 1.0)
    weights = one.model.weight.clone()
    with torch.no_grad():
        one.model.weight += 1
    one.save(8, 2.0)
    assert checkpoint_of(tmp_path).load() == (8, 2.0)
    assert "state.pt: goes on from step 8\n" in capsys.readouterr().err

    whole = one.path.read_bytes()
    place = whole.index(one.model.weight.detach().numpy().tobytes())
    changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    if harm == "lost":
        one.path.unlink()
    else:
        one.path.write_bytes({"cut": whole[: len(whole) // 2], "emptied": b"", "a byte changed": changed}[harm])
    assert other.load() == (4, 1.0)
    assert torch.equal(other.model.weight, weights)
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"{tmp_path / 'state.previous.pt'}: goes on from step 4"
    if harm != "lost":
        assert said[0].startswith(f"{one.path}: is damaged (")
        assert said[0].endswith("it is put aside as state.damaged.pt")

    # The good one is never replaced by the damaged one.
    other.save(6, 1.5)
    assert checkpoint_of(tmp_path).load() == (6, 1.5)


@pytest.mark.parametrize("is_main", [True, False])
def test_the_one_who_keeps_a_state_puts_a_damaged_one_aside(
    is_main: bool, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # an autoencoder is trained by one process alone, whichever it is
    monkeypatch.setenv("RANK", "1")
    one = replace(checkpoint_of(tmp_path), is_main=is_main)
    one.save(4, 1.0)
    one.save(8, 2.0)
    one.path.write_bytes(b"torn")
    assert one.load() == (4, 1.0)
    assert one.path.exists() is not is_main
    assert ("put aside" in capsys.readouterr().err) is is_main
    if is_main:
        one.save(6, 1.5)
        one.path.unlink()
        assert checkpoint_of(tmp_path).load() == (4, 1.0)


@pytest.mark.fault("Output whole or absent")
def test_two_damaged_states_are_one_line(tmp_path: Path) -> None:
    one = checkpoint_of(tmp_path)
    one.save(4, 1.0)
    one.save(8, 2.0)
    for name in ("state.pt", "state.previous.pt"):
        (tmp_path / name).write_bytes(b"torn")
    message = r"state\.pt: is damaged [^\n]*; delete it and state\.previous\.pt to begin this training again$"
    with pytest.raises(RecipeError, match=message):
        one.load()


@pytest.mark.fault("Output whole or absent")
def test_the_next_call_says_what_a_kill_has_left(tiny_copy: Path, capsys: Captured) -> None:
    for folder in (tiny_copy, tiny_copy / "final" / "diffusion"):
        (folder / ".saving-killed").mkdir()
    assert main(["publish", "--out", str(tiny_copy)]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("src_training:")]
    assert len(said) == 1
    assert said[0].startswith(f"src_training: {tiny_copy}: a save was cut off here")
    assert not list(tiny_copy.rglob(".saving-*"))


LOST = [("slices", "images.npy", "prepare"), ("slices", "masks.npy", "prepare"), ("final/maps", "npy", "discrepancies")]


@pytest.mark.parametrize(("folder", "suffix", "stage"), LOST)
@pytest.mark.parametrize("is_torn", [False, True])
def test_a_lost_case_is_one_line(
    folder: str, suffix: str, stage: str, is_torn: bool, tiny_copy: Path, capsys: Captured
) -> None:
    begin_again(tiny_copy / "final" / "diffusion")
    path = tiny_copy / folder / f"{PATIENTS[1]}.{suffix}"
    if is_torn:
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.unlink()

    assert main([*TRAINING, "--out", str(tiny_copy)]) == 2
    message = capsys.readouterr().err.strip()
    kind = "is damaged" if is_torn else "is missing"
    assert message.startswith(f"src_training: {path}: {kind}")
    assert message.endswith(f"; delete {path.parent} and run the stage '{stage}' again")
    assert "\n" not in message


def test_ways_of_working_may_change_after_a_training(tiny_copy: Path) -> None:
    before = {path: path.read_bytes() for path in tiny_copy.rglob("*.safetensors")}
    ways = ("--precision", "bf16-mixed", "--workers", "1", "--accumulate", "2", "--log-every", "3", "--compile")
    for stage in ("autoencoders", "discrepancies", "diffusion"):
        assert main([stage, "--out", str(tiny_copy), *ways]) == 0

    assert {path: path.read_bytes() for path in tiny_copy.rglob("*.safetensors")} == before


@pytest.mark.torture
def test_a_limit_on_the_size_of_files_leaves_the_last_state(tiny_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, words = tiny_copy / "final" / "diffusion", (*TRAINING, "--out", str(tiny_copy))
    begin_again(folder)
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "loss", stop_at(7, DiffusionTask.loss))
        assert main(words) == 130
    before = (folder / "state.pt").read_bytes()
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (len(before) // 2, resource.RLIM_INFINITY))
    full = python("-m", "src_training", *words, preexec_fn=limit)

    assert full.returncode == 2
    assert f"src_training: {folder / 'state.pt'}: cannot be written (" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    assert (folder / "state.pt").read_bytes() == before
    assert not list(folder.glob(".saving-*"))


# Forks after the slow imports, which start no threads; each child is a training that is killed some time after it has
# saved its state.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from src_training import autoencoders, diffusion
from src_training.__main__ import main

folder, pattern, times, words = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
autoencoders.CHECKPOINT_EVERY = 3
draw = random.Random(0)

def saved():
    try:
        return max((path.stat().st_mtime_ns for path in folder.glob(pattern)), default=0)
    except FileNotFoundError:
        return 0

for _ in range(times):
    before, child = saved(), os.fork()
    if child == 0:
        os._exit(main(words))
    while saved() <= before:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            sys.exit(f"nothing left to kill: {status}")
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.15))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        sys.exit(f"ended before it was killed: {status}")
"""


def kill_often(state: Path, *words: str, times: int, below: str = "") -> None:
    pattern = f"{below}{state.name}"
    done = python("-c", KILLER, str(state.parent), pattern, str(times), *words)
    assert done.returncode == 0, done.stderr


def test_kills_leave_no_trace_in_the_denoiser(tiny_copy: Path) -> None:
    folder, words = tiny_copy / "final" / "diffusion", (*TRAINING, "--out", str(tiny_copy))
    begin_again(folder)
    assert main(words) == 0
    whole = (folder / "denoiser.safetensors").read_bytes()
    begin_again(folder)
    kill_often(folder / "state.pt", *words, times=2)
    assert torch.load(folder / "state.pt", weights_only=True)["step"] >= 10
    assert not (folder / "denoiser.safetensors").exists()
    assert main(words) == 0

    assert (folder / "denoiser.safetensors").read_bytes() == whole
    assert not (folder / "state.pt").exists()


@pytest.mark.torture
def test_kills_leave_no_trace_in_the_autoencoders(tiny_copy: Path) -> None:
    words = ("autoencoders", "--autoencoders.epochs", "16", "--out", str(tiny_copy))
    ensembles = tiny_copy / "ensembles"
    shutil.rmtree(ensembles)
    assert main(words) == 0
    whole = {path.relative_to(ensembles): path.read_bytes() for path in ensembles.rglob("*.safetensors")}
    shutil.rmtree(ensembles)
    kill_often(ensembles / "state.pt", *words, times=4, below="*/*/")
    assert main(words) == 0

    assert len(whole) == 8
    assert {path.relative_to(ensembles): path.read_bytes() for path in ensembles.rglob("*.safetensors")} == whole


PASSING = (
    *(errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.EINTR, errno.EHOSTDOWN, errno.ENOTCONN, errno.ENODEV),
)
"""What the system says of a file that is whole: of a user, a disk, a limit, a network."""


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), *(OSError(n, os.strerror(n)) for n in PASSING)],
    ids=["no memory on the GPU", "no memory", *(errno.errorcode[number] for number in PASSING)],
)
def test_a_state_that_cannot_be_read_just_now_is_not_taken_for_damaged(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = checkpoint_of(tmp_path)
    one.save(4, 1.0)
    one.save(8, 2.0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", fail)
        with pytest.raises(type(error)) as told:
            checkpoint_of(tmp_path).load()
    if isinstance(error, OSError):
        assert told.value.filename == str(one.path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert checkpoint_of(tmp_path).load() == (8, 2.0)


@pytest.mark.fault("Output whole or absent")
@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "Invalid argument"), OSError("Invalid data stream")])
def test_what_is_said_of_a_states_content_is_taken_for_damage(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place in the file that cannot be, and a library's word on what it unpacks."""
    one = checkpoint_of(tmp_path)
    one.save(4, 1.0)
    one.save(8, 2.0)
    load, failed = torch.load, []

    def fail_once(*arguments: Any, **more: Any) -> Any:
        if not failed:
            failed.append(error)
            raise error
        return load(*arguments, **more)

    monkeypatch.setattr(torch, "load", fail_once)
    assert checkpoint_of(tmp_path).load() == (4, 1.0)
    assert (tmp_path / "state.damaged.pt").exists()


@pytest.mark.fault("Output whole or absent")
def test_no_training_begins_anew_where_too_many_files_are_open(tmp_path: Path) -> None:
    one = checkpoint_of(tmp_path)
    one.save(8, 2.0)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            one.load()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.pt"]
    assert one.load() == (8, 2.0)
