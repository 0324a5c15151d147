"""Several processes: the same training as one, within rounding, and no file with two writers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from src_training import distributed
from src_training.__main__ import main
from src_training.checks import check_recipe
from src_training.diffusion import DiffusionTask
from src_training.recipe import RecipeError

from .conftest import stop_at, tiny_recipe

ROOT = Path(__file__).parents[2]


def torchrun(*words: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *launcher, "-m", "src_training", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_same_training(one: Path, other: Path) -> None:
    logs = log_of(one), log_of(other)
    assert len(logs[0]) > 5
    for a, b in zip(*logs, strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    weights = load_file(one / "denoiser.safetensors"), load_file(other / "denoiser.safetensors")
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        # Where a gradient is nothing but rounding, Adam makes steps of full size of it: so it is for a bias before a
        # normalisation, and for single weights. A training with a rate that differs by 1 % is ten times as far away.
        difference = (value - weights[1][key]).double()
        assert difference.abs().max() < (5e-3 if key.endswith("bias") else 1e-4), key
        assert key.endswith("bias") or difference.square().mean().sqrt() < 1e-6, key


@pytest.mark.torture  # so does the next test, from a state on; twice it takes half a minute
def test_two_processes_train_the_same_denoiser(tiny_copy: Path, tmp_path: Path) -> None:
    folder = tiny_copy / "final" / "diffusion"
    shutil.rmtree(folder)
    words = ["diffusion", "--out", str(tiny_copy), "--log-every", "1", "--diffusion.iterations", "12"]
    done = torchrun(*words)
    assert done.returncode == 0, done.stderr
    shutil.move(folder, tmp_path / "two")
    assert main(words) == 0

    assert_same_training(tmp_path / "two", folder)
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files == {"recipe.json", "denoiser.safetensors", "log.jsonl", "tensorboard", "card.md", "timing.json"}
    assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 1
    assert "| Processes | 2 |" in (tmp_path / "two" / "card.md").read_text()


@pytest.mark.torture
def test_two_processes_go_on_where_one_was_stopped(
    tiny_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_copy / "final" / "diffusion"
    words = ["diffusion", "--out", str(tiny_copy), "--log-every", "1", "--diffusion.iterations", "12"]
    shutil.rmtree(folder)
    assert main(words) == 0
    shutil.move(folder, tmp_path / "one")
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "loss", stop_at(10, DiffusionTask.loss))
        assert main(words) == 130
    assert torch.load(folder / "state.pt", weights_only=True)["step"] == 8
    done = torchrun(*words, "--accumulate", "2", "--workers", "1")
    assert done.returncode == 0, done.stderr

    assert_same_training(tmp_path / "one", folder)


def test_two_processes_make_the_same_autoencoders_and_maps(tiny_copy: Path, tmp_path: Path) -> None:
    made = ["ensembles", "final/maps"]
    for name in made:
        shutil.move(tiny_copy / name, tmp_path / name)
    done = torchrun("discrepancies", "--out", str(tiny_copy))
    assert done.returncode == 0, done.stderr

    kinds = ("*.safetensors", "*.npy", "summary.json")
    for path in (path for name in made for kind in kinds for path in (tiny_copy / name).rglob(kind)):
        assert path.read_bytes() == (tmp_path / path.relative_to(tiny_copy)).read_bytes()
    # Three folds out of four patients: the ensembles of all patients are not needed.
    assert len(list((tiny_copy / "ensembles").rglob("*.safetensors"))) == 6
    assert len(list((tiny_copy / "final" / "maps").glob("*.npy"))) == 4
    trained = {line.split(":")[0] for line in done.stderr.splitlines() if line.startswith("ae_")}
    assert len(trained) == 6


def test_a_lone_process_is_the_main_one_and_waits_for_nobody() -> None:
    assert distributed.is_main()
    assert distributed.on_main(lambda: 3) == 3
    assert distributed.gather("own") == ["own"]
    distributed.barrier()
    assert not torch.distributed.is_initialized()


def test_a_batch_that_cannot_be_divided_is_refused(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(cohort, tmp_path, "--accumulate", "2")
    check_recipe(recipe)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "0")

    with pytest.raises(RecipeError, match=r"diffusion.batch-size 4 cannot be divided into 2 .* multiple of 6$"):
        check_recipe(recipe)


def test_each_process_of_a_machine_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(distributed, "pick_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert distributed.own_device("auto") == torch.device("cuda")
    for name, value in {"WORLD_SIZE": "6", "RANK": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    assert distributed.own_device("auto") == torch.device("cuda", 1)
    assert chosen == [1]
    monkeypatch.setenv("LOCAL_RANK", "2")

    with pytest.raises(RecipeError, match=r"3 processes on a machine with 2 GPUs; [^\n]*$"):
        distributed.own_device("auto")
