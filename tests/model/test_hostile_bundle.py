"""A bundle that means harm is refused: with its reason, in one line, exit 2, and within bounded memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_ddmd.cli import main
from napari_ddmd.model import BundleError, read_bundle, save_bundle, untrained_bundle
from napari_ddmd.model.limits import LIMITS
from napari_ddmd.model.settings import ModelSettings
from tests.model import forgery
from tests.model.forgery import SOME, Forge, description, header, setting, tensors, text, weights

Captured = pytest.CaptureFixture[str]

DESCRIPTIONS: dict[str, tuple[Forge, str]] = {
    "extra key": (description(lambda d: d.update(weights_url="x")), "has unknown keys: weights_url"),
    "no settings": (description(lambda d: d.pop("settings"), signed=False), "has no 'settings' of the right kind"),
    "name a number": (description(lambda d: d.update(name=7)), "has no 'name' of the right kind"),
    "card a null": (description(lambda d: d.update(card=None)), "has no 'card' of the right kind"),
    "settings a list": (description(lambda d: d.update(settings=[])), "has no 'settings' of the right kind"),
    "provenance a list": (description(lambda d: d.update(provenance=[])), "has no 'provenance' of the right kind"),
    "group a list": (description(lambda d: d["settings"].update(frame=[])), "settings.frame must be an object"),
    "group missing": (description(lambda d: d["settings"].pop("frame")), "settings has missing keys: frame"),
    "group extra": (description(lambda d: d["settings"].update(code={})), "settings has unknown keys: code"),
    "a list": (text(lambda _: "[]"), "is not a 'napari-ddmd bundle 1' file"),
    "later format": (description(lambda d: d.update(format="napari-ddmd bundle 2")), "the only format that this"),
    "name up the tree": (description(lambda d: d.update(name="../../compact")), "must be a plain name"),
    "name absolute": (description(lambda d: d.update(name="/etc/passwd")), "must be a plain name"),
    "name of a drive": (description(lambda d: d.update(name="C:\\windows")), "must be a plain name"),
    "name empty": (description(lambda d: d.update(name="..")), "must be a plain name"),
    "name long": (description(lambda d: d.update(name="x" * 10_000)), "name must be 100 letters at most"),
    "version with controls": (description(lambda d: d.update(version="1\x1b[2J")), "without control characters"),
    "card with controls": (description(lambda d: d.update(card="fine\nforged line")), "without control characters"),
    "card huge": (description(lambda d: d.update(card="x" * 100_000)), "card must be 10000 letters at most"),
    "key with controls": (description(lambda d: d.update({"\x1b[2J\n": 1})), "has unknown keys: "),
    "key twice": (text(lambda t: t.replace("{", '{"name": "a", ', 1)), "has the key 'name' twice"),
    "setting twice": (text(lambda t: t.replace('"size": 32', '"size": 64, "size": 32', 1)), "has the key 'size' twice"),
    "NaN": (text(lambda t: t.replace('"size": 32', '"size": NaN', 1)), "holds NaN, which is no number"),
    "Infinity": (text(lambda t: t.replace('"size": 32', '"size": -Infinity', 1)), "holds -Infinity, which is no"),
    "beyond floats": (text(lambda t: t.replace('"size": 32', '"size": 1e999', 1)), "holds 1e999, which is no number"),
    "NaN in provenance": (text(lambda t: t.replace('"none"', "NaN", 1)), "holds NaN, which is no number"),
    "number of 5000 digits": (text(lambda t: t.replace('"size": 32', f'"size": {"9" * 5000}', 1)), "is not JSON"),
    "nested": (text(lambda t: t.replace('"none"', "[" * 100_000 + "]" * 100_000, 1)), "is nested too deeply"),
    "not UTF-8": (text(lambda t: t.encode("utf-16")), "is not JSON"),
    "empty": (text(lambda _: ""), "is not JSON"),
    "a gigabyte": (forgery.sparse("model.json", 2**30), "1,073,741,824 bytes, 8,388,608 at most are expected"),
    "link": (forgery.elsewhere("model.json"), "is a link; put the file itself in its place"),
    "pipe": (forgery.pipe("model.json"), "is no plain file"),
    "folder": (forgery.directory("model.json"), "Is a directory"),
    "unsigned change": (description(lambda d: d["settings"]["frame"].update(size=64), signed=False), "were changed"),
    "whole number for a float": (setting("frame.extent_mm", 10**400), "frame.extent_mm must be float"),
    "text for a number": (setting("frame.size", "32"), "frame.size must be int"),
    "truth for a number": (setting("autoencoder.members", True), "autoencoder.members must be int"),
    "number for a list": (setting("denoiser.channels", 8), "denoiser.channels must be a list"),
    "no layers": (setting("denoiser.channels", []), "denoiser.channels must have an entry"),
    "a million layers": (setting("denoiser.channels", [8] * 10**5), "must have 8 entries at most, not 100000"),
    "attention nowhere": (setting("denoiser.attention_levels", [5]), "attention_levels must be below 2"),
    "percentiles crossed": (setting("normalisation.lower_percentile", 99.9), "must be below the upper one"),
    "more steps than times": (setting("sampling.steps", 2000), "sampling.steps must be 1000 at most"),
    "threshold": (setting("sampling.threshold", 1.0), "sampling.threshold must be below 1"),
    "few timesteps": (setting("diffusion.timesteps", 5), "too few for a linear schedule"),
    "odd frame": (setting("frame.size", 33), "frame size 33 is not a multiple of 4"),
    "odd groups": (setting("denoiser.norm_groups", 7), "must be divisible"),
    # Each of these is within its own limits.
    "huge together": (
        description(lambda d: d["settings"]["autoencoder"].update(size=1024, hidden=65_536, widths=[8, 4096])),
        "MB of weights; 512 MB at most are read",
    ),
}

WEIGHTS: dict[str, tuple[Forge, str]] = {
    "one missing": (tensors(lambda t: t.pop(SOME)), f"lacks tensor {SOME}"),
    "all missing": (tensors(lambda t: t.clear()), "lacks tensor ae_1.members.0.bottleneck.0.bias and "),
    "one extra": (tensors(lambda t: t.update(more=torch.zeros(1))), "has an extra tensor more"),
    "path for a name": (tensors(lambda t: t.update({"../../x": torch.zeros(1)})), "has an extra tensor ../../x"),
    "transposed": (tensors(lambda t: t.update({SOME: t[SOME].mT[..., :2].contiguous()})), "the settings ask for F16"),
    "single precision": (tensors(lambda t: t.update({SOME: t[SOME].float()})), f"{SOME} is F32 ["),
    "other halves": (tensors(lambda t: t.update({SOME: t[SOME].bfloat16()})), f"{SOME} is BF16 ["),
    "whole numbers": (tensors(lambda t: t.update({SOME: t[SOME].short()})), f"{SOME} is I16 ["),
    "NaN": (tensors(lambda t: t[SOME].view(-1)[3:4].fill_(float("nan"))), f"{SOME} holds NaN or infinite"),
    "infinity": (tensors(lambda t: t[SOME].view(-1)[-1:].fill_(float("-inf"))), f"{SOME} holds NaN or infinite"),
    "header of 2^60 bytes": (forgery.header_text(b"{}", 2**60), "is no safetensors file"),
    "header of 2^64 - 1 bytes": (forgery.header_text(b"{}", 2**64 - 1), "is no safetensors file"),
    "no header": (forgery.header_text(b"", 0), "is no safetensors file"),
    "header a list": (forgery.header_text(b"[]"), "is no safetensors file"),
    "header no JSON": (forgery.header_text(b"{'a': 1}"), "is no safetensors file (its header: "),
    "header nested": (forgery.header_text(b"[" * 100_000), "is nested too deeply"),
    "tensor twice": (forgery.header_text(f'{{"{SOME}": 1, "{SOME}": 2}}'.encode()), f"has the key '{SOME}' twice"),
    "entry a number": (header(lambda h: h.update({SOME: 7})), f"{SOME} is None None"),
    "negative shape": (header(lambda h: h[SOME].update(shape=[-1, 3, 3])), f"{SOME} is F16 [-1, 3, 3]"),
    "huge shape": (header(lambda h: h[SOME].update(shape=[2**62, 2**62])), f"{SOME} is F16 [46116860184"),
    "offsets overlap": (header(lambda h: h[SOME].update(data_offsets=[0, 2])), "is no whole safetensors file"),
    "offsets beyond": (header(lambda h: h[SOME].update(data_offsets=[2**40, 2**41])), "is no whole safetensors file"),
    "offsets backwards": (header(lambda h: h[SOME].update(data_offsets=[9, 2])), "is no whole safetensors file"),
    "offsets of words": (header(lambda h: h[SOME].update(data_offsets=["a", "b"])), "is no whole safetensors file"),
    "no offsets": (header(lambda h: h[SOME].pop("data_offsets")), "is no whole safetensors file"),
    "metadata of numbers": (header(lambda h: h.update(__metadata__={"a": 1})), "is no whole safetensors file"),
    "cut short": (weights(lambda c: c[:-2]), "is no whole safetensors file"),
    "appended": (weights(lambda c: c + b"\0" * 64), "is no whole safetensors file"),
    "empty": (weights(lambda _: b""), "is no safetensors file"),
    "a pickle": (forgery.pickled, "is no safetensors file"),
    "torch's pickle": (forgery.torch_pickle, "is no safetensors file"),
    "a zip": (forgery.zipped, "is no safetensors file"),
    "a terabyte": (forgery.sparse("weights.safetensors", 2**40), "has 1,099,511,627,776 bytes"),
    "link": (forgery.elsewhere("weights.safetensors"), "is a link; put the file itself in its place"),
    "pipe": (forgery.pipe("weights.safetensors"), "is no plain file"),
    "folder": (forgery.directory("weights.safetensors"), "Is a directory"),
    "wrong hash": (description(lambda d: d.update(weights_sha256="0" * 64), signed=False), "its hash is not the one"),
    "hash in other letters": (description(lambda d: d.update(weights_sha256="x"), signed=False), "its hash is not"),
}
HOSTILE = {f"model.json, {name}": pair for name, pair in DESCRIPTIONS.items()} | {
    f"weights, {name}": pair for name, pair in WEIGHTS.items()
}


@pytest.fixture
def hostile(tmp_path: Path, tiny_model_folder: Path) -> Path:
    """A good bundle, to be spoilt."""
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


@pytest.mark.fault("Hostile model")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_with_its_reason(name: str, hostile: Path, tmp_path: Path) -> None:
    forge, reason = HOSTILE[name]
    forge(hostile)

    with pytest.raises(BundleError) as caught:
        read_bundle(hostile)

    message = str(caught.value)
    assert reason in message
    assert message.isprintable()
    assert len(message) < 1000
    file = "model.json" if name.startswith("model.json") else "weights.safetensors"
    assert message.startswith(f"{hostile / file}: ")
    assert not (tmp_path / "exploded").exists()


def outside(name: str) -> list[object]:
    least, most = LIMITS[name]
    is_list = isinstance(ModelSettings().to_dict()[name.split(".")[0]][name.split(".")[1]], tuple)
    values: list[object] = [least - 1, most + 1, most * 10**9, -(10**9)]
    return [[value] for value in values] if is_list else values


@pytest.mark.fault("Hostile model", count=4)
@pytest.mark.parametrize("name", LIMITS)
def test_no_number_goes_beyond_its_limits(name: str, hostile: Path) -> None:
    for value in outside(name):
        setting(name, value)(hostile)
        with pytest.raises(BundleError, match=f"settings.{name} must be [^\n]*; publish or copy the model again$"):
            read_bundle(hostile)


@pytest.mark.fault("Hostile model")
@pytest.mark.parametrize("name", ["model.json, link", "weights, torch's pickle", "model.json, huge together"])
def test_the_command_line_says_so_and_writes_nothing(
    name: str, hostile: Path, tmp_path: Path, small_case_folder: Path, capsys: Captured
) -> None:
    HOSTILE[name][0](hostile)
    out = tmp_path / "out"

    assert main(["predict", str(small_case_folder), "--model", str(hostile), "--out", str(out)]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("napari-ddmd: ")
    assert HOSTILE[name][1] in line
    assert not out.exists()


def enormous(found: forgery.Tensors) -> None:
    for value in found.values():
        value.fill_(60_000)


@pytest.mark.fault("Hostile model")
def test_numbers_that_lead_to_none_end_the_run(
    hostile: Path, tmp_path: Path, small_case_folder: Path, capsys: Captured
) -> None:
    tensors(enormous)(hostile)
    words = ("--model", str(hostile), "--out", str(tmp_path / "out"), "--samples", "2")

    assert main(["predict", str(small_case_folder), *words]) == 2

    assert "the model's results are not finite; copy or train it again" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.fault("Hostile model")
def test_a_hostile_bundle_among_the_installed_does_not_hide_the_others(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    description(lambda d: d.update(card="\x1b]0;title\x07"))(hostile)
    monkeypatch.setenv("NAPARI_DDMD_MODELS", str(tmp_path))

    assert main(["models"]) == 2

    captured = capsys.readouterr()
    assert "compact  version" in captured.out
    assert captured.err.strip().isprintable()
    assert "card must be 10000 letters at most, in one line" in captured.err


@pytest.mark.fault("Hostile model", count=2)
@pytest.mark.parametrize("name", ["../compact", "a/b", "", ".", "two\nlines"])
def test_what_could_not_be_read_again_is_not_written(name: str, tmp_path: Path) -> None:
    for bundle in (untrained_bundle(name=name), untrained_bundle()):
        object.__setattr__(bundle, "provenance", {"figure": float("nan")})
        with pytest.raises(ValueError, match=r"^name |^Out of range float"):
            save_bundle(tmp_path / "model", bundle)
    assert not (tmp_path / "model").exists()


def test_what_other_tools_say_of_themselves_in_the_header_does_no_harm(hostile: Path) -> None:
    header(lambda entries: entries.update(__metadata__={"format": "pt"}))(hostile)
    assert read_bundle(hostile).name == "untrained"


# Memory for torch and the networks' shapes is taken before the limit is set.
LIMITED = """
import json, resource, sys
from pathlib import Path
from napari_ddmd.model import BundleError, read_bundle

folders = [Path(line) for line in sys.stdin.read().splitlines()]
read_bundle(folders.pop(0))
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 400 * 2**20, resource.RLIM_INFINITY))
for folder in folders:
    try:
        read_bundle(folder)
    except BundleError as error:
        assert "does not fit into memory" not in str(error), error
    else:
        sys.exit(f"{folder.name} was read")
"""


@pytest.mark.fault("Hostile model", count=len(HOSTILE))
@pytest.mark.torture
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_none_takes_memory(tmp_path: Path, tiny_model_folder: Path) -> None:
    folders = [tiny_model_folder]
    for number, (forge, _reason) in enumerate(HOSTILE.values()):
        folders.append(shutil.copytree(tiny_model_folder, tmp_path / str(number) / "model"))
        forge(folders[-1])

    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        input="\n".join(map(str, folders)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_every_number_of_the_settings_has_limits() -> None:
    found = {
        f"{group}.{entry}"
        for group, entries in ModelSettings().to_dict().items()
        if isinstance(entries, dict)
        for entry, value in entries.items()
        if not isinstance(value, str | bool)
    }
    assert found - {"sampling.healthy_below"} == set(LIMITS)


def test_the_forger_makes_good_bundles_but_for_what_is_forged(hostile: Path) -> None:
    description(lambda content: content.update(version="2"))(hostile)
    assert read_bundle(hostile).version == "2"
    assert json.loads((hostile / "model.json").read_text())["version"] == "2"
