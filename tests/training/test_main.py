"""The command line of the training: all stages in one go, again in no time, and faults in one line."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from napari_ddmd.model import Bundle
from napari_ddmd.segment import InferenceError
from src_training import autoencoders, diffusion
from src_training import evaluate as evaluate_module
from src_training import prepare as prepare_module
from src_training.__main__ import STAGES, main, parse
from src_training.recipe import preset

from .conftest import PATIENTS, tiny_words, write_patient


def complaint(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error with which a call ends in exit status 2."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = (line for line in said.err.splitlines() if line.startswith("src_training:"))
    assert said.err.endswith(f"{line}\n")
    return line


def test_all_stages_in_one_go(tiny_out: Path) -> None:
    for split in ("fold0", "fold1", "fold2", "final"):
        folder = tiny_out / split
        assert (folder / "maps" / "summary.json").exists()
        assert (folder / "diffusion" / "denoiser.safetensors").exists()
        assert {file.name for file in (folder / "bundle").iterdir()} == {
            "README.md",
            "model.json",
            "weights.safetensors",
        }
    assert json.loads((tiny_out / "metrics.json").read_text())["patients"] == len(PATIENTS)
    assert not list(tiny_out.rglob(".saving-*"))
    assert not list(tiny_out.rglob("state.pt"))


def test_an_interruption_is_no_crash(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_module, "load_case", stop)

    assert main(["prepare", *tiny_words(cohort, tmp_path)]) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]
)
def test_too_little_memory_is_one_line_that_says_how_to_do_with_less(
    error: Exception,
    cohort: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(prepare_module, "load_case", fail)

    line = complaint(["prepare", *tiny_words(cohort, tmp_path)], capsys)
    assert line.startswith("src_training: not enough memory")
    assert "--accumulate" in line


def test_a_defect_keeps_its_traceback(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a shape is wrong")

    monkeypatch.setattr(prepare_module, "load_case", fail)
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        main(["prepare", *tiny_words(cohort, tmp_path)])


def test_training_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tyro", None)
    monkeypatch.delitem(sys.modules, "src_training.options")
    monkeypatch.delitem(sys.modules, "src_training.__main__")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("src_training", run_name="__main__")

    assert caught.value.code == 2
    assert "pip install -e '.[train]'" in capsys.readouterr().err


def test_calling_again_computes_nothing(tiny_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    for module, name in (
        (prepare_module, "load_case"),
        (autoencoders, "train"),
        (diffusion, "train"),
        (evaluate_module, "segment"),
    ):
        monkeypatch.setattr(module, name, refuse)
    kept = {file: file.read_bytes() for file in tiny_copy.rglob("*") if file.is_file()}

    assert main(["--out", str(tiny_copy), "--fold", "cv"]) == 0
    assert main(["--out", str(tiny_copy), "--fold", "final"]) == 0
    changed = {file.name for file, content in kept.items() if file.read_bytes() != content}
    # The copy lies elsewhere, and a fold's bundle was first written before there was a cross-validation to tell of.
    assert changed <= {"recipe.json", "model.json", "README.md"}


def test_stages_one_by_one_are_the_same_as_all(
    cohort: Path, tiny_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tiny_words(cohort, tmp_path / "run", "--fold", "1")
    for stage in STAGES:
        assert main([stage, *words]) == 0
        words = ["--out", str(tmp_path / "run")]  # the folder knows the rest
    capsys.readouterr()

    for name in ("diffusion/denoiser.safetensors", "bundle/weights.safetensors"):
        assert (tmp_path / "run" / "fold1" / name).read_bytes() == (tiny_out / "fold1" / name).read_bytes()


def test_help_names_every_stage(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["src_training", "--help"])
    monkeypatch.delitem(sys.modules, "src_training.__main__")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("src_training", run_name="__main__")
    text = capsys.readouterr().out

    assert ended.value.code == 0
    for stage in STAGES:
        assert stage in text
    for option in ("--data", "--out", "--preset", "--fold", "--diffusion.iterations", "--model.frame.size"):
        assert option in text


def test_options_change_the_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where nobody has a run in the folder that is the default
    assert parse([]) == preset("compact")
    assert parse(["--preset", "paper"]) == preset("paper")
    assert parse(["--preset=paper", "--diffusion.iterations", "7"]).diffusion.iterations == 7


def test_a_run_remembers_its_options(tmp_path: Path, cohort: Path) -> None:
    assert main(["prepare", *tiny_words(cohort, tmp_path / "run", "--name", "mine")]) == 0

    later = parse(["--out", str(tmp_path / "run"), "--seed", "4"])
    assert (later.name, later.data, later.seed) == ("mine", cohort, 4)
    assert later.model.frame.size == 16
    assert parse(["--out", str(tmp_path / "run"), "--preset", "compact"]).model.frame.size == 128


def test_options_that_do_not_exist_end_in_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(["--nonsense"], capsys) == (
        "src_training: Unrecognized options: --nonsense; see python -m src_training --help"
    )


def test_an_unknown_stage(capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(["trian", "--data", "x"], capsys)

    assert "unknown stage 'trian'" in line
    assert all(stage in line for stage in STAGES)


def test_a_run_in_the_default_place_remembers_its_options(
    tmp_path: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", *tiny_words(cohort, Path("run"), "--name", "mine")]) == 0

    assert parse([]).name == parse(["--seed", "4"]).name == "mine"
    assert parse(["--preset", "compact"]).name == "compact"


@pytest.mark.parametrize("stage", [[], ["prepare"], ["publish"], ["table"], ["baseline", "unet"]])
def test_a_published_model_is_for_evaluate(
    stage: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint([*stage, "--out", str(tmp_path / "run"), "--bundle", "compact"], capsys)

    assert "--bundle is for the stage 'evaluate'" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_as_many_files_as_the_system_allows_may_be_open(
    tiny_out: Path, cohort: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        assert main(["prepare", *tiny_words(cohort, tiny_out)]) == 0
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_missing_data_folder_leaves_nothing_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")], capsys)

    assert f"{tmp_path / 'none'}: no such folder; say with --data DIR" in line
    assert list(tmp_path.iterdir()) == []


def test_a_case_without_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_patient(tmp_path / "data" / "Unlabelled", 0, mask=False)
    line = complaint(tiny_words(tmp_path / "data", tmp_path / "run"), capsys)

    assert "no case has a mask" in line
    assert not (tmp_path / "run").exists()


def test_a_stage_before_its_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(["diffusion", "--out", str(tmp_path / "run")], capsys)

    assert "run the stage 'prepare' first" in line


def test_settings_that_cannot_be_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(["--out", str(tmp_path / "run"), "--model.diffusion.learned-variance"], capsys)

    assert "learned-variance goes with prediction epsilon only, not x0" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--model.frame.size", "32"],
        ["autoencoders", "--fold", "9"],
        ["discrepancies", "--discrepancies.no-scale-maps"],
        ["diffusion", "--diffusion.learning-rate", "0.5"],
        ["publish", "--model.diffusion.beta-end", "0.03"],
        ["evaluate", "--fold", "0", "--model.variant", "mini"],
    ],
)
def test_a_refusal_leaves_the_run_as_it_was(
    words: list[str], tiny_out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tiny_out / "recipe.json").read_bytes()
    complaint([*words, "--out", str(tiny_out)], capsys)

    assert (tiny_out / "recipe.json").read_bytes() == before


def test_a_device_that_is_not_here(tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tiny_words(cohort, tmp_path / "run", "--device", "abacus")

    assert "device 'abacus' is not available here" in complaint(words, capsys)


def test_a_folder_that_cannot_be_made(tmp_path: Path, cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")

    assert str(tmp_path / "file") in complaint(tiny_words(cohort, tmp_path / "file" / "run"), capsys)


def test_networks_that_fail(
    tiny_copy: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise InferenceError("case: not enough memory on cpu")

    monkeypatch.setattr(evaluate_module, "segment", fail)
    words = ["evaluate", "--out", str(tiny_copy), "--fold", "0", "--model.sampling.steps", "3"]

    assert complaint(words, capsys) == "src_training: case: not enough memory on cpu"
